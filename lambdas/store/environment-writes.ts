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
 * `dueShard` exists exactly while `nextLookAt` does, so the index `due` holds the rows that wait for
 * something and nothing else: a sweep reads what is due, not what there is. One shard is enough for a
 * thousand writes a second; the reconciler makes a few a minute.
 */
export const DUE_SHARD = '0';

/** Every write to the table of rows. See `core/environment.ts` for who writes what. */
export const environmentWrites = {
  wake(key: string, source: Source | undefined, said: MessageFacts = {}): Write {
    const base = messageWrite(key, source, said);
    // Only a word about a pull request may make a row; a late report must not make a ghost.
    return { verb: 'wake', key, ...base, condition: all(...acceptable(source, said)) };
  },

  claim(key: string, source: Source | undefined, lease: Lease, now: number, said: MessageFacts = {}): Write {
    const base = messageWrite(key, source, said);
    const condition = all(...acceptable(source, said), free(lease, now));
    return { ...withLease({ verb: 'claim', key, ...base }, lease), condition };
  },

  /** A lease makes the row due when it ends, so what is due is free. */
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

/** Also of its own writes the later one stands. The SDK repeats a write whose answer was lost: that one is no later. */
function isHeldBy({ leaseId, write }: Holder): Condition[] {
  return [equals('leaseId', leaseId), any(absent('writes'), atMost('writes', write))];
}

/** `hintAccess` and so on: an attribute for each, so that two messengers never write over one another. */
export function hintAttribute(hint: Hint): string {
  return `hint${capitalized(hint)}`;
}

/** `askStop` and so on: a register for each verb, which only the newest request is written into. */
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

/** A row of a newer version, after a roll-back, takes no word of this one: it would look like one of ours then. */
const readable: Condition = any(absent('v'), equals('v', ROW_VERSION));

/** Only a word about a pull request may make a row, and only the newest request of its kind counts. */
function acceptable(source: Source | undefined, { asked }: MessageFacts): Condition[] {
  return [...(source ? [] : [exists('key')]), readable, ...(asked ? [isNewest(asked)] : [])];
}

/** Also for whom holds it already: the SDK repeats a write whose answer was lost. */
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
  // For the version before, after a roll-back: today it is read out of the key.
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
    // The forge's own word, which the holder of the lease writes, is not replaced by a message's.
    ...(installationId === undefined ? {} : { setFrom: unlessThere({ installationId }) }),
    add,
  };
}

/** What the table indexes or expires by stands beside the state. A row that lives again must lose its expiry. */
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
