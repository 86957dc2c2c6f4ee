import { expect, it } from 'vitest';
import { runSeeds } from './run-seeds.ts';

it('keeps its invariants in 600 seeds, in which more than 150 kinds of mishap are met', async () => {
  const { broken, unrepeated, mishaps } = await runSeeds({ first: 1_001, count: 600, threads: 2 });
  expect(broken.map(({ seed, invariant, why }) => `make sim SEED=${seed}: ${invariant}: ${why}`)).toEqual([]);
  expect(unrepeated).toEqual([]);
  expect(mishaps.length).toBeGreaterThan(150);
}, 300_000);
