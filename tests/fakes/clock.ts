/** The one clock of the tests, which only they move. Ids that are made by it are the same in each run. */
export interface Clock {
  now(): number;
  newId(): string;
  set(at: number): void;
  move(ms: number): void;
}

export const ORIGIN = Date.UTC(2026, 0, 5, 9);

export function newClock(): Clock {
  let now = ORIGIN;
  let ids = 0;
  return {
    now: () => now,
    newId: () => {
      ids += 1;
      return `00000000-0000-4000-8000-${ids.toString(16).padStart(12, '0')}`;
    },
    set(at) {
      now = at;
    },
    move(ms) {
      now += ms;
    },
  };
}

const MINUTE = 60_000;
export const minutes = (count: number) => count * MINUTE;
export const hours = (count: number) => count * 60 * MINUTE;
