import { readdirSync, readFileSync } from 'node:fs';
import * as v from 'valibot';
import { afterAll, describe, expect, it } from 'vitest';
import { readPlan, writePlan } from './plan.ts';
import { protections } from './protections.ts';
import { endThreads, type Report, runSeeds } from './run-seeds.ts';
import { createTape } from './tape.ts';

/** Runs have threads of their own, because a run guards the clock and the timers of its whole thread. */
const all = (first: number, count: number): Promise<Report> => runSeeds({ first, count, threads: 2 });
const told = ({ broken }: Report): string[] =>
  broken.map(({ again, invariant, why }) => `make sim ${again}: ${invariant}: ${why}`);

afterAll(endThreads);

describe('the control plane, many runs at once, whatever goes wrong', () => {
  it('keeps its invariants in 60 seeds, and each seed gives the same run again', async () => {
    const report = await all(1, 60);
    expect(told(report)).toEqual([]);
    expect(report.unrepeated).toEqual([]);
    expect({ seeds: report.seeds, repeated: report.repeated }).toEqual({ seeds: 60, repeated: 3 });
  }, 120_000);

  it('keeps them in every 80th plan of the tales, and in a few plans with two strokes', async () => {
    const report = await runSeeds({ first: 0, count: 0, threads: 2, plans: { every: 80, pairs: 5 } });
    expect(told(report)).toEqual([]);
    expect(report.unrepeated).toEqual([]);
    expect(report.seeds).toBeGreaterThan(25);
  }, 120_000);

  it('keeps them in every story that broke one before', async () => {
    const folder = new URL('./tapes/', import.meta.url);
    const schema = v.object({ title: v.string(), draws: v.array(v.number()) });
    const tapes = readdirSync(folder)
      .filter((name) => name.endsWith('.json'))
      .map((name) => v.parse(schema, JSON.parse(readFileSync(new URL(name, folder), 'utf8'))));
    const { broken } = await runSeeds({
      first: 0,
      count: tapes.length,
      threads: 1,
      tapes: tapes.map(({ draws }) => draws),
    });
    expect(broken.map(({ seed, why }) => `${tapes[seed]?.title}: ${why}`)).toEqual([]);
  }, 120_000);
});

describe('a protection that mutants are made of', () => {
  it.each(protections)('stands in the code: $what', ({ also, ...change }) => {
    for (const { file, from, to } of [change, ...(also ? [also] : [])]) {
      const text = readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');
      expect(text.split(from)).toHaveLength(2);
      expect(to).not.toBe(from);
    }
  });
});

describe('a plan', () => {
  it('is read as it is written', () => {
    const text = 'close-reopen@17:dies-after,31:slow';
    expect(writePlan(readPlan(text))).toBe(text);
    expect(readPlan('close-reopen@').strokes).toEqual([]);
  });

  it.each(['nobody-told-it@1:slow', 'close-reopen@one:slow', 'close-reopen@1:well'])(
    'cannot be read from "%s"',
    (text) => {
      expect(() => readPlan(text)).toThrow();
    },
  );
});

describe('a tape', () => {
  it('gives the same numbers again, from its seed and from what was drawn', () => {
    const draw = (tape: ReturnType<typeof createTape>) =>
      Array.from({ length: 50 }, (_, n) => tape.choose(n + 2));
    const first = createTape({ seed: 7 });
    const numbers = draw(first);
    expect(draw(createTape({ seed: 7 }))).toEqual(numbers);
    expect(draw(createTape({ draws: first.drawn() }))).toEqual(numbers);
    expect(draw(createTape({ seed: 8 }))).not.toEqual(numbers);
  });

  it('has the mildest choice after its end', () => {
    const tape = createTape({ draws: [] });
    expect([tape.choose(9), tape.chance(0.99), tape.pick(['mild', 'wild'])]).toEqual([0, false, 'mild']);
  });
});
