import { type Outcome, runSeed } from './run-seed.ts';

/**
 * A shorter tape that breaks the same invariant: halves, quarters and so on are set to zero, then single draws,
 * and stay zero if the invariant is still broken.
 */
export async function shrink(outcome: Outcome, patience: number, clock: () => number): Promise<Outcome> {
  const { broken } = outcome;
  const until = clock() + patience;
  if (!broken) return outcome;
  let best = outcome;
  for (let size = Math.ceil(best.draws.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < best.draws.length; from += size) {
      if (clock() > until) return best;
      const draws = best.draws.map((value, index) => (index >= from && index < from + size ? 0 : value));
      if (draws.every((value, index) => value === best.draws[index])) continue;
      const tried = await runSeed({ draws: withoutZeros(draws) });
      if (tried.broken?.invariant === broken.invariant) best = { ...tried, draws: withoutZeros(tried.draws) };
    }
  }
  return best;
}

/** A draw after the end of a tape is 0. */
function withoutZeros(draws: readonly number[]): readonly number[] {
  return draws.slice(0, draws.findLastIndex((value) => value !== 0) + 1);
}
