import type { Wire, WireOp } from '../fakes/wire.ts';
import type { Fate, Faults } from './faults.ts';
import { settled } from './guard.ts';
import type { History } from './history.ts';
import type { Tape } from './tape.ts';

/** One run of the code, suspended at every call until its answer's turn has come. */
export interface Process {
  id: string;
  kind: 'message' | 'sweep';
  /** It was killed, or has ended. */
  over: boolean;
  /** The row that it reconciles, and by which lease. */
  key: string | undefined;
  leaseId: string | undefined;
  calls: number;
  /** Lists that failed or were cut short. */
  failedLists: Set<string>;
  removed: Set<string>;
  /** GitHub's answer for its pull request, or the setting that takes Eph down, as read in this run. */
  heard: 'wanted' | 'unwanted' | undefined;
  /** The state of its row as it has read or written it last. */
  seen: unknown;
}

/** Called for every effect, before and after it. */
export interface Witness {
  before(process: Process, op: WireOp): unknown;
  after(process: Process, op: WireOp, before: unknown, result: Result, late: boolean): void;
  /** A run takes this message. */
  received(body: string): void;
}
export type Result = { ok: true; value: unknown } | { ok: false };

export interface Schedule {
  at(time: number, happen: () => void): void;
  nextAt(): number | undefined;
  /** Performs the next event. */
  step(): void;
  /** Lets all promises go on that can; undefined where none can. */
  follow(): Promise<void> | undefined;
  start(process: Process, limit: number, code: (wire: Wire) => Promise<void>, ended: () => void): void;
  calls(): number;
  /** The longest time that a call has taken without a fault. */
  slowest(): number;
  /** From now on calls take no time. */
  hurry(): void;
}

interface Entry {
  time: number;
  order: number;
  happen: () => void;
}

/** A caller that gets no answer gives up after this (`lambdas/wiring.ts`). */
const PATIENCE = 10_000;

export function createSchedule(platform: {
  clock: { now(): number; set(at: number): void };
  tape: Tape;
  faults: Faults;
  history: History;
  witness: Witness;
}): Schedule {
  const { clock, tape, faults, history, witness } = platform;
  const heap: Entry[] = [];
  let order = 0;
  let calls = 0;
  /** A run was begun or answered, so some of its promises can go on. */
  let goesOn = false;
  let slowest = 0;
  let hurries = false;

  const at = (time: number, happen: () => void): void => {
    order += 1;
    push(heap, { time, order, happen });
  };

  const onEnd = new Map<Process, () => void>();
  function end(process: Process, how: string): void {
    if (process.over) return;
    process.over = true;
    onEnd.get(process)?.();
    onEnd.delete(process);
    history.add({ at: clock.now(), kind: 'end', run: process.id, how });
  }

  function perform<T>(
    process: Process,
    op: WireOp,
    effect: () => T,
    late: boolean,
  ): { value: T } | { error: unknown } {
    const before = witness.before(process, op);
    history.add({ at: clock.now(), kind: 'effect', run: process.id, call: op.name, about: op.about, late });
    const outcome = outcomeOf(effect);
    const result =
      'value' in outcome ? ({ ok: true, value: outcome.value } as const) : ({ ok: false } as const);
    witness.after(process, op, before, result, late);
    return outcome;
  }

  /** A call is two events, its effect and its answer; its fate is drawn when it is made. */
  function call<T>(process: Process, op: WireOp, effect: () => T): Promise<T> {
    calls += 1;
    process.calls += 1;
    const fate = faults.fateOf(op, process.calls);
    const there = 1 + (hurries ? 0 : tape.choose(120));
    const back = 1 + (hurries ? 0 : tape.choose(60));
    slowest = Math.max(slowest, there + back);
    if (fate.kind !== 'ok') {
      history.add({
        at: clock.now(),
        kind: 'fate',
        run: process.id,
        call: op.name,
        about: op.about,
        fate: textOf(fate),
      });
    }
    return new Promise<T>((resolve, reject) => {
      const answer = (after: number, outcome: { value: T } | { error: unknown }) =>
        at(clock.now() + after, () => {
          if (process.over) return;
          goesOn = true;
          if ('value' in outcome) resolve(outcome.value);
          else reject(outcome.error);
        });
      const lost = (how: 'reset' | 'throttled') => {
        noteList(process, op);
        return { error: errorOf(how) };
      };
      const begin = clock.now() + there;
      switch (fate.kind) {
        case 'ok':
          at(begin, () => {
            if (!process.over) answer(back, noted(process, op, perform(process, op, effect, false)));
          });
          return;
        case 'slow':
          at(begin + fate.by, () => {
            const late = process.over;
            if (late) markLate(process, op);
            answer(back, noted(process, op, perform(process, op, effect, late)));
          });
          return;
        case 'dies':
          at(begin, () => {
            if (process.over) return;
            if (fate.when === 'after') perform(process, op, effect, false);
            end(process, `died ${fate.when} ${op.name}`);
          });
          return;
        case 'fails':
          at(begin, () => {
            if (process.over) return;
            if (fate.when === 'after') perform(process, op, effect, false);
            answer(back, lost(fate.how));
          });
          return;
        case 'late':
          markLate(process, op);
          at(begin + PATIENCE + fate.by, () => void perform(process, op, effect, true));
          if (fate.caller === 'dead') at(begin, () => end(process, `died, ${op.name} under way`));
          else answer(there + PATIENCE, lost('reset'));
          return;
        default:
          throw new Error(`unhandled fate: ${JSON.stringify(fate satisfies never)}`);
      }
    });
  }

  function markLate(process: Process, op: WireOp): void {
    history.marks.late.add(`${op.name} ${process.key ?? op.about}`);
  }

  return {
    at,
    nextAt: () => heap[0]?.time,
    calls: () => calls,
    slowest: () => slowest,
    hurry() {
      hurries = true;
    },
    step() {
      const entry = pop(heap);
      if (!entry) return;
      clock.set(Math.max(entry.time, clock.now()));
      entry.happen();
    },
    follow() {
      if (!goesOn) return undefined;
      goesOn = false;
      return settled();
    },
    start(process, limit, code, ended) {
      onEnd.set(process, ended);
      goesOn = true;
      history.add({ at: clock.now(), kind: 'begin', run: process.id, of: process.kind });
      at(clock.now() + limit, () => end(process, 'ran out of time'));
      code((op, effect) => call(process, op, effect)).then(
        () => end(process, 'done'),
        (error: unknown) => end(process, `threw ${String(error)}`),
      );
    },
  };
}

/** A refusal by a vendor is an answer too. */
function outcomeOf<T>(effect: () => T): { value: T } | { error: unknown } {
  try {
    return { value: effect() };
  } catch (error) {
    return { error };
  }
}

function noted<T>(process: Process, op: WireOp, outcome: { value: T } | { error: unknown }) {
  if ('error' in outcome) noteList(process, op);
  return outcome;
}

function noteList(process: Process, op: WireOp): void {
  if (!op.writes) process.failedLists.add(op.name);
}

function errorOf(how: 'reset' | 'throttled'): Error {
  if (how === 'reset') return new Error('the connection was reset');
  // Octokit throws this for GitHub's secondary limit.
  const response = { headers: { 'retry-after': '60' } };
  return Object.assign(new Error('You have exceeded a secondary rate limit'), { status: 403, response });
}

function textOf(fate: Fate): string {
  switch (fate.kind) {
    case 'ok':
      return 'ok';
    case 'dies':
      return `dies ${fate.when}`;
    case 'fails':
      return `${fate.how} ${fate.when}`;
    case 'late':
      return `late by ${(PATIENCE + fate.by) / 1_000} s, caller ${fate.caller}`;
    case 'slow':
      return `slow by ${fate.by / 1_000} s`;
    default:
      throw new Error(`unhandled fate: ${JSON.stringify(fate satisfies never)}`);
  }
}

const isBefore = (a: Entry, b: Entry): boolean => a.time < b.time || (a.time === b.time && a.order < b.order);

function push(heap: Entry[], entry: Entry): void {
  let index = heap.length;
  heap.push(entry);
  while (index > 0) {
    const parent = (index - 1) >> 1;
    const above = heap[parent];
    if (!above || !isBefore(entry, above)) break;
    heap[index] = above;
    index = parent;
  }
  heap[index] = entry;
}

function pop(heap: Entry[]): Entry | undefined {
  const [first] = heap;
  const last = heap.pop();
  if (!first || !last || heap.length === 0) return first;
  let index = 0;
  for (;;) {
    const left = 2 * index + 1;
    const [one, two] = [heap[left], heap[left + 1]];
    const child = two && one && isBefore(two, one) ? left + 1 : left;
    const below = heap[child];
    if (!below || !isBefore(below, last)) break;
    heap[index] = below;
    index = child;
  }
  heap[index] = last;
  return first;
}
