import {
  type EnvironmentState,
  type Lease,
  newState,
  ROW_VERSION,
  type Row,
  type Source,
} from '#core/environment';
import { conflict } from '#core/failure';
import { asAwsError } from '../../lambdas/adapters/aws-errors.ts';
import type { Environments } from '../../lambdas/ports.ts';
import { indexedAccess } from '../../lambdas/store/stored-source.ts';
import { upgradeState } from '../../lambdas/store/upgrade-state.ts';
import { itemSize, MAX_ITEM_BYTES } from '../../local/aws/dynamodb-item-size.ts';
import { attributeMap } from './attribute-map.ts';

/** `indexed` is what the index goes by: the access that was said first, until the forge confirms one. */
type Stored = Omit<Row, 'state'> & { state?: EnvironmentState; indexed: string };

/**
 * The table of rows in memory, with the conditions of `dynamo-environments.ts`. Rows go in and out as JSON:
 * nobody shares an object with the table, and `undefined` is not kept, as in DynamoDB, which refuses a row that
 * is too large or no UTF-8.
 */
export function memoryEnvironments(): Environments & { forget(now: number): void } {
  const rows = new Map<string, string>();
  const find = (key: string): Stored | undefined => {
    const text = rows.get(key);
    return text === undefined ? undefined : (JSON.parse(text) as Stored);
  };
  const put = (row: Stored): void => {
    refuseUnstorable(row);
    rows.set(row.key, JSON.stringify(row));
  };
  const all = (): Stored[] => [...rows.keys()].flatMap((key) => find(key) ?? []);
  const toRow = ({ indexed, ...row }: Stored, now: number): Row => ({
    ...row,
    state: upgradeState(row.state ?? newState(now), indexedAccess(indexed)),
  });
  const wake = (key: string, source: Source | undefined): Stored | undefined => {
    const [repositoryId = 0, number = 0] = key.split('#').map(Number);
    const known = find(key);
    if (!known && !source) return undefined;
    const { access = '' } = source ?? {};
    const row = known ?? { v: ROW_VERSION, key, repositoryId, number, indexed: access, wakes: 0, source };
    const woken = { ...row, wakes: row.wakes + 1, ...(source ? { source } : {}) } as Stored;
    put(woken);
    return woken;
  };
  const take = (key: string, lease: Lease, now: number): Row | undefined => {
    const row = find(key);
    if (!row) return undefined;
    const { takenFrom: _before, ...rest } = row;
    const died = row.lease && row.lease.id !== lease.id ? { takenFrom: row.lease.id } : {};
    const leased = { ...rest, ...died, lease, dueAt: row.nextLookAt ?? lease.until, nextLookAt: lease.until };
    put(leased);
    return toRow(leased, now);
  };

  return {
    async wake(key, source, now) {
      const woken = wake(key, source);
      return woken && toRow(woken, now);
    },
    async claim(key, source, lease, now) {
      const row = find(key);
      const held = row?.lease && row.lease.until > now && row.lease.id !== lease.id;
      return held || !wake(key, source) ? undefined : take(key, lease, now);
    },
    async claimIfDue(key, lease, now) {
      const row = find(key);
      if (row?.lease?.id !== lease.id && (row?.nextLookAt ?? Number.POSITIVE_INFINITY) > now)
        return undefined;
      wake(key, undefined);
      return take(key, lease, now);
    },
    async save(key, leaseId, state) {
      const row = find(key);
      if (row?.lease?.id !== leaseId) throw conflict('lease_lost', 'The lease passed to another run.');
      put({ ...row, state });
    },
    async release(key, leaseId, wakes, state, nextLookAt) {
      const row = find(key);
      if (row?.lease?.id !== leaseId || row.wakes !== wakes) return false;
      const { lease: _over, nextLookAt: _old, ...rest } = row;
      put({ ...rest, state, ...(nextLookAt === undefined ? {} : { nextLookAt }) });
      return true;
    },
    async read(key) {
      const row = find(key);
      return row && toRow(row, 0);
    },
    async due(now, limit) {
      return all()
        .filter((row) => row.nextLookAt !== undefined && row.nextLookAt <= now)
        .sort((a, b) => (a.nextLookAt ?? 0) - (b.nextLookAt ?? 0))
        .slice(0, limit)
        .map((row) => row.key);
    },
    async ofRepository(repositoryId) {
      return all()
        .filter((row) => row.repositoryId === repositoryId)
        .map((row) => row.key);
    },
    async ofAccess(access) {
      return all()
        .filter((row) => (row.state?.access ?? row.indexed) === access)
        .map((row) => row.key);
    },
    async all() {
      return all().map((row) => toRow(row, 0));
    },
    /** What DynamoDB's time to live does, some time after it. */
    forget(now) {
      for (const row of all()) {
        if ((row.state?.forgetAt ?? Number.POSITIVE_INFINITY) * 1_000 < now) rows.delete(row.key);
      }
    },
  };
}

function refuseUnstorable(row: Stored): void {
  if (itemSize(attributeMap(row)) > MAX_ITEM_BYTES) {
    throw dynamoError('ValidationException', 'Item size to update has exceeded the maximum allowed size');
  }
  JSON.stringify(row, (_key, value: unknown) => {
    if (typeof value !== 'string' || value.isWellFormed()) return value;
    throw dynamoError('SerializationException', 'Strings must be valid UTF-8');
  });
}

function dynamoError(name: string, message: string): unknown {
  return asAwsError('DynamoDB', Object.assign(new Error(message), { name }));
}
