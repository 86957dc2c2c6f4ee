import { type EnvironmentState, type Lease, ROW_VERSION, type Source } from '#core/environment';
import { keyOf } from '#core/environment-key';
import { permanent } from '#core/failure';
import { type Hint, hints } from '#core/hints';
import { type Asked, MAX_ASK_BYTES, type Verb, verbs } from '#core/requests';
import type { Holder, MessageFacts, Release } from '../ports.ts';
import { absent, all, any, atMost, below, type Condition, equals, exists } from './condition.ts';
import { indexedAccess, storedSource } from './stored-source.ts';
import { unlessThere, type Write } from './write.ts';

/**
 * `dueShard` exists exactly while `nextLookAt` does, so the index `due` holds only the rows that wait for
 * something: a sweep reads the rows that are due, not all rows. One shard is enough for a
 * thousand writes a second; the reconciler makes a few a minute.
 */
export const DUE_SHARD = '0';

/** Every write to the table of rows. See `core/environment.ts` for the writer of each field. */
export const environmentWrites = {
  wake(key: string, source: Source | undefined, said: MessageFacts = {}): Write {
    const base = messageWrite(key, source, said);
    // Only a message about a pull request may make a row: a late report must not bring back one that is gone.
    return { verb: 'wake', key, ...base, condition: all(...acceptable(source, said)) };
  },

  claim(key: string, source: Source | undefined, lease: Lease, now: number, said: MessageFacts = {}): Write {
    const base = messageWrite(key, source, said);
    const condition = all(...acceptable(source, said), free(lease, now));
    return { ...withLease({ verb: 'claim', key, ...base }, lease), condition };
  },

  /** A lease makes the row due when it ends, so a row that is due has no holder. */
  claimIfDue(key: string, lease: Lease, now: number): Write {
    const condition = all(
      exists('key'),
      readable,
      any(atMost('nextLookAt', now), equals('leaseId', lease.id)),
    );
    return {
      ...withLease({ verb: 'claimIfDue', key, ...messageWrite(key, undefined, {}) }, lease),
      condition,
    };
  },

  save(key: string, holder: Holder, state: EnvironmentState): Write {
    const { set, remove } = stateIn(state);
    const condition = all(...isHeldBy(holder));
    return { verb: 'save', key, set: { ...set, writes: holder.write }, remove, condition };
  },

  release(key: string, holder: Holder, { wakes, state, nextLookAt, acted }: Release): Write {
    const { set, remove } = stateIn(state);
    const due = nextLookAt === undefined ? {} : { nextLookAt, dueShard: DUE_SHARD };
    const notDue = nextLookAt === undefined ? ['nextLookAt', 'dueShard'] : [];
    const noHints = acted ? hints.map(hintAttribute) : [];
    return {
      verb: 'release',
      key,
      set: { ...set, ...due },
      remove: [...remove, 'leaseId', 'leaseUntil', ...notDue, ...noHints],
      condition: all(...isHeldBy(holder), equals('wakes', wakes)),
    };
  },
};

/** Among the holder's own writes the latest wins. The SDK repeats a write without an answer under the same number. */
function isHeldBy({ leaseId, write }: Holder): Condition[] {
  return [equals('leaseId', leaseId), any(absent('writes'), atMost('writes', write))];
}

/** `hintAccess` and so on: one attribute per hint, so that two messengers never overwrite each other. */
export function hintAttribute(hint: Hint): string {
  return `hint${capitalized(hint)}`;
}

/** `askStop` and so on: one register per verb, into which only the newest request is written. */
export function registerOf(verb: Verb): string {
  return `ask${capitalized(verb)}`;
}

function capitalized(name: string): string {
  return `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
}

export const registers = verbs.map((verb) => [verb, registerOf(verb)] as const);

function isNewest({ verb, ask }: Asked): Condition {
  return any(absent(registerOf(verb)), below(registerOf(verb), 'order', ask.order));
}

function registerIn({ verb, ask }: Asked): Record<string, unknown> {
  if (new TextEncoder().encode(JSON.stringify(ask)).length > MAX_ASK_BYTES) {
    throw permanent(
      'request_too_long',
      `What was asked (\`${verb}\`) is longer than ${MAX_ASK_BYTES} bytes.`,
    );
  }
  return { [registerOf(verb)]: ask };
}

/** After a roll-back, no message of this version may change a newer version's row, which would then look like ours. */
const readable: Condition = any(absent('v'), equals('v', ROW_VERSION));

/** Only a message about a pull request may make a row, and only the newest request of its kind counts. */
function acceptable(source: Source | undefined, { asked }: MessageFacts): Condition[] {
  return [...(source ? [] : [exists('key')]), readable, ...(asked ? [isNewest(asked)] : [])];
}

/** Also true if the same lease holds it already: the SDK repeats a write whose answer was lost. */
function free(lease: Lease, now: number): Condition {
  return any(absent('leaseId'), atMost('leaseUntil', now), equals('leaseId', lease.id));
}

/** The row is due when the lease ends: the schedule finds it if its holder dies. */
function withLease(base: Write, { id, until }: Lease): Write {
  return {
    ...base,
    set: { ...base.set, leaseId: id, leaseUntil: until, writes: 0, nextLookAt: until, dueShard: DUE_SHARD },
    setFrom: {
      ...base.setFrom,
      dueAt: { name: 'nextLookAt', otherwise: until },
      takenFrom: { name: 'leaseId', otherwise: id },
    },
  };
}

function messageWrite(
  key: string,
  source: Source | undefined,
  { asked, hints: known = [] }: MessageFacts,
): Pick<Write, 'set' | 'setFrom' | 'add'> {
  const add = { wakes: 1 };
  const beside = {
    ...(asked ? registerIn(asked) : {}),
    ...Object.fromEntries(known.map((hint) => [hintAttribute(hint), true])),
  };
  if (!source) return { set: beside, add };
  const parsed = keyOf(key);
  // This is for the previous version, after a roll-back: the current one reads the number from the key.
  const number = parsed.kind === 'pull' ? { number: parsed.number } : {};
  const installationId = indexedAccess(source.access);
  return {
    set: {
      v: ROW_VERSION,
      repositoryId: parsed.repositoryId,
      ...number,
      source: storedSource(source),
      ...beside,
    },
    // The forge's own answer, which the holder of the lease writes, is not replaced by a message's.
    ...(installationId === undefined ? {} : { setFrom: unlessThere({ installationId }) }),
    add,
  };
}

/** What the table indexes or expires by is stored beside the state. A row that is used again must lose its expiry. */
function stateIn(state: EnvironmentState): { set: Record<string, unknown>; remove: string[] } {
  const { hostname, access, forgetAt } = state;
  const installationId = indexedAccess(access);
  return {
    set: {
      state,
      ...(hostname === undefined ? {} : { hostname }),
      ...(installationId === undefined ? {} : { installationId }),
      ...(forgetAt === undefined ? {} : { forgetAt }),
    },
    remove: forgetAt === undefined ? ['forgetAt'] : [],
  };
}
