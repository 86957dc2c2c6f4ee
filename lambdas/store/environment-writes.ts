import { type EnvironmentState, type Lease, ROW_VERSION, type Source } from '#core/environment';
import { absent, all, any, atMost, type Condition, equals, exists } from './condition.ts';
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
  wake(key: string, source: Source | undefined): Write {
    const word = wordOf(key, source);
    // Only a word about a pull request may make a row; a late report must not make a ghost.
    return { verb: 'wake', key, ...word, ...(source ? {} : { condition: exists('key') }) };
  },

  claim(key: string, source: Source | undefined, lease: Lease, now: number): Write {
    const word = wordOf(key, source);
    const condition = source ? free(lease, now) : all(exists('key'), free(lease, now));
    return { ...withLease({ verb: 'claim', key, ...word }, lease), condition };
  },

  /** A lease makes the row due when it ends, so what is due is free. */
  claimIfDue(key: string, lease: Lease, now: number): Write {
    const condition = all(exists('key'), any(atMost('nextLookAt', now), equals('leaseId', lease.id)));
    return { ...withLease({ verb: 'claimIfDue', key, ...wordOf(key, undefined) }, lease), condition };
  },

  save(key: string, leaseId: string, state: EnvironmentState): Write {
    return { verb: 'save', key, ...stateIn(state), condition: equals('leaseId', leaseId) };
  },

  release(
    key: string,
    leaseId: string,
    wakes: number,
    state: EnvironmentState,
    nextLookAt: number | undefined,
  ): Write {
    const { set, remove } = stateIn(state);
    const look = nextLookAt === undefined ? {} : { nextLookAt, dueShard: DUE_SHARD };
    const noLook = nextLookAt === undefined ? ['nextLookAt', 'dueShard'] : [];
    return {
      verb: 'release',
      key,
      set: { ...set, ...look },
      remove: [...remove, 'leaseId', 'leaseUntil', ...noLook],
      condition: all(equals('leaseId', leaseId), equals('wakes', wakes)),
    };
  },
};

/** Also for whom holds it already: the SDK repeats a write whose answer was lost. */
function free(lease: Lease, now: number): Condition {
  return any(absent('leaseId'), atMost('leaseUntil', now), equals('leaseId', lease.id));
}

/** The row is due when the lease ends: the schedule finds it if its holder dies. */
function withLease(word: Write, { id, until }: Lease): Write {
  return {
    ...word,
    set: { ...word.set, leaseId: id, leaseUntil: until, nextLookAt: until, dueShard: DUE_SHARD },
    setFrom: {
      ...word.setFrom,
      dueAt: { name: 'nextLookAt', otherwise: until },
      takenFrom: { name: 'leaseId', otherwise: id },
    },
  };
}

function wordOf(key: string, source: Source | undefined): Pick<Write, 'set' | 'setFrom' | 'add'> {
  const add = { wakes: 1 };
  if (!source) return { set: {}, add };
  const [repositoryId, number] = key.split('#').map(Number);
  const installationId = indexedAccess(source.access);
  return {
    set: { v: ROW_VERSION, repositoryId, number, source: storedSource(source) },
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
