import { afterAll, expect, it } from 'vitest';
import { endThreads, type Report, runSeeds } from './run-seeds.ts';

afterAll(endThreads);

const told = ({ broken }: Report): string[] =>
  broken.map(({ again, invariant, why }) => `make sim ${again}: ${invariant}: ${why}`);

it('the control plane keeps its invariants in 600 seeds with more than 150 kinds of faults', async () => {
  const report = await runSeeds({ first: 1_001, count: 600, threads: 2 });
  expect(told(report)).toEqual([]);
  expect(report.unrepeated).toEqual([]);
  expect(report.reach.filter(([mark]) => mark.includes(': ')).length).toBeGreaterThan(150);
}, 300_000);

it('the control plane keeps its invariants in every sixth plan, and in a hundred with two strokes', async () => {
  const report = await runSeeds({ first: 0, count: 0, threads: 2, plans: { every: 6, pairs: 100 } });
  expect(told(report)).toEqual([]);
  expect(report.seeds).toBeGreaterThan(450);
}, 300_000);
