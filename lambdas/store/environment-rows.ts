import * as v from 'valibot';
import { type EnvironmentState, newState, ROW_VERSION, type Row } from '#core/environment';
import { keyOf, parseKey } from '#core/environment-key';
import { conflict, permanent } from '#core/failure';
import { type Hint, hints } from '#core/hints';
import type { Asks } from '#core/requests';
import type { AllRows, Environments } from '../ports.ts';
import { DUE_SHARD, environmentWrites, hintAttribute, registers } from './environment-writes.ts';
import { everyPage } from './every-page.ts';
import { indexedAccess, readSource, type StoredSource } from './stored-source.ts';
import type { Item, Table } from './table.ts';
import { upgradeState, type WrittenState } from './upgrade-state.ts';
import type { Write } from './write.ts';

/** The port over any table: when what is written, and how an item is read as a row. */
export function environmentRows(table: Table): Environments {
  const rowAfter = async (write: Write, now: number): Promise<Row | undefined> => {
    const item = await table.update(write);
    return item && toRow(item, now);
  };
  /** The indexes use numbers, which two forges may share; the key shows to which forge a row belongs. */
  const keysOf = async (
    index: string,
    name: string,
    value: number | undefined,
    forge: string | undefined,
  ): Promise<string[]> => {
    if (value === undefined) return [];
    const items = await everyPage((from) => table.query({ index, name, value }, from));
    const keys = items.map(({ key }) => String(key));
    return keys.filter((key) => {
      const parsed = parseKey(key);
      return parsed !== undefined && parsed.forge === forge;
    });
  };

  return {
    wake: (key, source, now, said) => rowAfter(environmentWrites.wake(key, source, said), now),
    claim: (key, source, lease, now, said) =>
      rowAfter(environmentWrites.claim(key, source, lease, now, said), now),
    claimIfDue: (key, lease, now) => rowAfter(environmentWrites.claimIfDue(key, lease, now), now),

    async save(key, holder, state) {
      const written = await table.update(environmentWrites.save(key, holder, state));
      if (!written) throw conflict('lease_lost', 'The lease passed to another run.');
    },

    async release(key, holder, release) {
      return (await table.update(environmentWrites.release(key, holder, release))) !== undefined;
    },

    async read(key) {
      const item = await table.read(key);
      return isRow(item) ? toRow(item, 0) : undefined;
    },

    async due(now, limit) {
      const atMost = { name: 'nextLookAt', value: now };
      const { items } = await table.query({
        index: 'due',
        name: 'dueShard',
        value: DUE_SHARD,
        atMost,
        limit,
      });
      return items.map(({ key }) => String(key));
    },

    ofRepository: (repositoryId, forge) => keysOf('repository', 'repositoryId', repositoryId, forge),
    ofAccess: (access, forge) => keysOf('installation', 'installationId', indexedAccess(access), forge),

    async all() {
      const all: AllRows = { rows: [], unreadable: [] };
      for (const item of await everyPage((from) => table.scan(from))) {
        if (isRow(item)) all.rows.push(toRow(item, 0));
        else all.unreadable.push(String(item['key']));
      }
      return all;
    },
  };
}

interface StoredRow {
  v: number;
  key: string;
  /** The index uses this: the access that was named first, until the forge confirms one. */
  installationId?: number;
  wakes: number;
  source: StoredSource;
  leaseId?: string;
  leaseUntil?: number;
  nextLookAt?: number;
  dueAt?: number;
  takenFrom?: string;
  state?: WrittenState;
}

function toRow(item: unknown, now: number): Row {
  if (!isRow(item)) throw permanent('row_unreadable', 'A row of the environments table cannot be read.');
  return {
    v: ROW_VERSION,
    key: item.key,
    ...partsOf(item.key),
    wakes: item.wakes,
    source: readSource(item.source),
    ...(item.leaseId && item.leaseUntil ? { lease: { id: item.leaseId, until: item.leaseUntil } } : {}),
    ...(item.nextLookAt === undefined ? {} : { nextLookAt: item.nextLookAt }),
    ...(item.dueAt === undefined ? {} : { dueAt: item.dueAt }),
    // If the value is its own lease, no run held the row before.
    ...(item.takenFrom && item.takenFrom !== item.leaseId ? { takenFrom: item.takenFrom } : {}),
    ...asksIn(item),
    ...hintsIn(item),
    state: stateOf(item, now),
  };
}

function partsOf(key: string): Pick<Row, 'forge' | 'repositoryId' | 'number'> {
  const parsed = keyOf(key);
  return {
    ...(parsed.forge === undefined ? {} : { forge: parsed.forge }),
    repositoryId: parsed.repositoryId,
    ...(parsed.kind === 'pull' ? { number: parsed.number } : {}),
  };
}

/** A value that is not a request is skipped: a newer version may write registers of another form. */
function asksIn(item: StoredRow & Item): { asks?: Asks } {
  const asks: Asks = {};
  for (const [verb, register] of registers) {
    if (item[register] === undefined) continue;
    const parsed = v.safeParse(askSchema, item[register]);
    if (parsed.success) asks[verb] = parsed.output;
  }
  return Object.keys(asks).length > 0 ? { asks } : {};
}

function hintsIn(item: StoredRow & Item): { hints?: Hint[] } {
  const known = hints.filter((hint) => item[hintAttribute(hint)] === true);
  return known.length > 0 ? { hints: known } : {};
}

const askSchema = v.object({ order: v.string(), by: v.string(), arg: v.exactOptional(v.string()) });

function stateOf({ state, installationId }: StoredRow, now: number): EnvironmentState {
  return state ? upgradeState(state, installationId) : newState(now);
}

/** Every message about a pull request writes all of these, so a row without them, or with another key, is not ours. */
function isRow(item: unknown): item is StoredRow & Item {
  return (
    typeof item === 'object' &&
    item !== null &&
    'key' in item &&
    typeof item.key === 'string' &&
    parseKey(item.key) !== undefined &&
    'wakes' in item &&
    'source' in item &&
    'v' in item &&
    item.v === ROW_VERSION
  );
}
