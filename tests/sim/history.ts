/** The events of a run in their order: enough to print the story, and to compare two runs. */
export type Happening =
  | { at: number; kind: 'act'; what: string }
  | { at: number; kind: 'begin'; run: string; of: string }
  | { at: number; kind: 'effect'; run: string; call: string; about: string; late: boolean }
  | { at: number; kind: 'fate'; run: string; call: string; about: string; fate: string }
  | { at: number; kind: 'end'; run: string; how: string }
  | { at: number; kind: 'broken'; invariant: string; why: string };

export interface History {
  add(happening: Happening): void;
  all(): readonly Happening[];
  /** The same digest for the same events; two runs of one seed must agree. */
  hash(): string;
  /** The disturbances that are not faults of the code, for invariants that allow them. */
  marks: Marks;
}

export interface Marks {
  /** Calls that took effect after their caller had given up or died, as `<call> <key of the run>`. */
  late: Set<string>;
  /** True where something was changed by hand. */
  byHand: boolean;
  /** True where a notification was lost. */
  lost: boolean;
  /** A build may have failed, or a machine not have started, so that a report of it is true. */
  failures: boolean;
  /** Phases and rules that rows were in: `phase ready`, `rule closed`. */
  shown: Set<string>;
}

export function createHistory(): History {
  const happenings: Happening[] = [];
  return {
    marks: {
      late: new Set(),
      shown: new Set(),
      byHand: false,
      lost: false,
      failures: false,
    },
    add: (happening) => void happenings.push(happening),
    all: () => happenings,
    hash: () => hashOf(happenings.map((one) => Object.values(one).join(' ')).join('\n')),
  };
}

/** FNV-1a over 32 bits, twice. */
function hashOf(text: string): string {
  let one = 0x811c9dc5;
  let two = 0x01000193;
  for (let index = 0; index < text.length; index += 1) {
    one = Math.imul(one ^ text.charCodeAt(index), 0x01000193);
    two = Math.imul(two ^ one, 0x85ebca6b);
  }
  return `${(one >>> 0).toString(16)}${(two >>> 0).toString(16)}`;
}
