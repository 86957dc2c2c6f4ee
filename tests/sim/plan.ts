import type { Fate, Faults } from './faults.ts';
import { type Tale, tales } from './tales.ts';

/**
 * A tale, and the fates of some of its calls. In `close-reopen@17:dies-after,31:slow` these are the 17th call that is
 * made in the tale's act, and then the 31st.
 */
export interface Plan {
  tale: Tale;
  strokes: readonly Stroke[];
}

export interface Stroke {
  /** The number of the call, from 1. */
  call: number;
  fate: FateName;
}

/** Later than the longest lease, and longer than a caller waits for a vendor. */
export const fates = {
  'dies-before': { kind: 'dies', when: 'before' },
  'dies-after': { kind: 'dies', when: 'after' },
  'fails-before': { kind: 'fails', when: 'before', how: 'reset' },
  'fails-after': { kind: 'fails', when: 'after', how: 'reset' },
  'late-gave-up': { kind: 'late', by: 70_000, caller: 'gave up' },
  'late-dead': { kind: 'late', by: 70_000, caller: 'dead' },
  slow: { kind: 'slow', by: 25_000 },
} as const satisfies Record<string, Fate>;
export type FateName = keyof typeof fates;

export const fateNames = [
  'dies-before',
  'dies-after',
  'fails-before',
  'fails-after',
  'late-gave-up',
  'late-dead',
  'slow',
] as const satisfies readonly FateName[];

export function writePlan({ tale, strokes }: Plan): string {
  return `${tale.name}@${strokes.map(({ call, fate }) => `${call}:${fate}`).join(',')}`;
}

export function readPlan(text: string): Plan {
  const [name = '', list = ''] = text.split('@');
  const tale = tales.find((one) => one.name === name);
  if (!tale)
    throw new Error(`there is no tale "${name}"; there are ${tales.map((one) => one.name).join(', ')}`);
  return { tale, strokes: list === '' ? [] : list.split(',').map(readStroke) };
}

function readStroke(text: string): Stroke {
  const [call, word] = text.split(':');
  const fate = fateNames.find((one) => one === word);
  if (!fate || !Number.isInteger(Number(call))) throw new Error(`"${text}" is no call and no fate of it`);
  return { call: Number(call), fate };
}

/** A call in the tale's act. */
export interface MadeCall {
  name: string;
  writes: boolean;
  /** True where it is the first call of its run. */
  isFirst: boolean;
}

/** Faults only those of the plan, from the beginning of the act on. */
export interface PlannedFaults extends Faults {
  begin(): void;
  made(): readonly MadeCall[];
}

export function plannedFaults({ strokes }: Plan): PlannedFaults {
  const made: MadeCall[] = [];
  let isActing = false;
  return {
    begin() {
      isActing = true;
    },
    stop() {
      isActing = false;
    },
    made: () => made,
    fateOf({ name, writes }, nth) {
      if (!isActing) return { kind: 'ok' };
      made.push({ name, writes, isFirst: nth === 1 });
      const stroke = strokes.find(({ call }) => call === made.length);
      return stroke ? fates[stroke.fate] : { kind: 'ok' };
    },
    together: false,
    duplicates: () => false,
    loses: () => false,
    skew: () => 0,
  };
}
