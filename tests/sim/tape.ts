/**
 * Every choice of a run. A run is repeated from its seed, or from the numbers that were drawn; after the end of a
 * tape each draw is 0, and 0 is always the mildest choice, so a tape with fewer numbers has a calmer story.
 */
export interface Tape {
  /** 0 to `bound - 1`. */
  choose(bound: number): number;
  /** True with this probability; 0 is "no". */
  chance(probability: number): boolean;
  pick<T>(list: readonly [T, ...T[]]): T;
  drawn(): readonly number[];
}

export type TapeSource = { seed: number } | { draws: readonly number[] };

const FINE = 10_000;

export function createTape(source: TapeSource): Tape {
  const drawn: number[] = [];
  const next = 'seed' in source ? fromSeed(source.seed) : undefined;
  const given = 'draws' in source ? source.draws : [];
  const choose = (bound: number): number => {
    const value = next ? Math.floor(next() * bound) : Math.min(given[drawn.length] ?? 0, bound - 1);
    drawn.push(value);
    return value;
  };
  return {
    choose,
    chance: (probability) => choose(FINE) >= FINE * (1 - probability),
    pick: (list) => list[choose(list.length)] ?? list[0],
    drawn: () => drawn,
  };
}

/** sfc32 (http://pracrand.sourceforge.net), which is good enough and the same on every machine. */
function fromSeed(seed: number): () => number {
  let a = 0x9e3779b9;
  let b = 0x243f6a88;
  let c = seed >>> 0;
  let d = Math.floor(seed / 2 ** 32) ^ 0xb7e15162;
  const next = () => {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return (t >>> 0) / 2 ** 32;
  };
  for (let warming = 0; warming < 12; warming += 1) next();
  return next;
}
