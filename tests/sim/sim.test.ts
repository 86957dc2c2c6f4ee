import { readdirSync, readFileSync } from 'node:fs';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { type Report, runSeeds } from './run-seeds.ts';
import { createTape } from './tape.ts';

/** Threads of their own: a run guards the clock and the timers of its whole thread. */
const all = (first: number, count: number): Promise<Report> => runSeeds({ first, count, threads: 2 });

describe('the control plane, many runs at once, whatever goes wrong', () => {
  it('keeps its invariants in 60 seeds, which are the same when they are run again', async () => {
    const { broken, unrepeated, seeds, repeated } = await all(1, 60);
    expect(broken.map(({ seed, invariant, why }) => `make sim SEED=${seed}: ${invariant}: ${why}`)).toEqual(
      [],
    );
    expect(unrepeated).toEqual([]);
    expect({ seeds, repeated }).toEqual({ seeds: 60, repeated: 3 });
  }, 120_000);

  it('keeps them in every story that once broke one', async () => {
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

describe('a tape', () => {
  it('says the same again, from its seed and from what was drawn', () => {
    const draw = (tape: ReturnType<typeof createTape>) =>
      Array.from({ length: 50 }, (_, n) => tape.choose(n + 2));
    const first = createTape({ seed: 7 });
    const numbers = draw(first);
    expect(draw(createTape({ seed: 7 }))).toEqual(numbers);
    expect(draw(createTape({ draws: first.drawn() }))).toEqual(numbers);
    expect(draw(createTape({ seed: 8 }))).not.toEqual(numbers);
  });

  it('has the mildest choice where it says nothing', () => {
    const tape = createTape({ draws: [] });
    expect([tape.choose(9), tape.chance(0.99), tape.pick(['mild', 'wild'])]).toEqual([0, false, 'mild']);
  });
});
