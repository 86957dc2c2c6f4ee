import type { Row } from '#core/environment';
import { ORPHAN_CAP, ORPHAN_CONFIRMATION, ORPHAN_GRACE, ORPHAN_MACHINE_KEPT } from '#core/limits';
import type { Ports } from '../ports.ts';
import type { Unit } from '../providers/handle.ts';
import { markedKey } from '../providers/marked-key.ts';
import type { GarbageSource } from './garbage-source.ts';

/** All units of one source; an incomplete list does not count as one. */
export interface Inventory {
  source: GarbageSource;
  units: Unit[];
}

export interface Removed {
  kind: string;
  id: string;
  removal: 'removed' | 'stopped';
}

/**
 * Discards orphaned units of every source.
 *
 * Gotchas
 * - An orphan is older than the grace period, was seen twice ORPHAN_CONFIRMATION apart, and no run holds the lease of
 *   its row. One garbage collection discards at most ORPHAN_CAP: a bug here must not empty an account.
 * - If a unit may hold somebody's data, discarding first makes it harmless (a machine is stopped); a harmless unit
 *   is removed a day later.
 * - A unit is only removed whole, so it is wanted while a row owns any part of it.
 * - A mark may hold less than a long key, so marks are compared.
 * - While a row has begun something whose id it does not know, every unit with its mark is wanted: a run may die, or
 *   a commit may fail, and the garbage collection must not remove what the next run will adopt.
 * - A unit is wanted if it belongs to a row, or a handle, that only a newer version can read. While there is one, every
 *   unit without a mark of its environment is wanted, too.
 * - A unit that cannot be discarded does not stop the others: its error goes to `errors`.
 */
export async function collectGarbage(
  inventories: readonly Inventory[],
  rows: readonly Row[],
  unreadable: readonly string[],
  errors: unknown[],
  ports: Pick<Ports, 'now' | 'records' | 'log'>,
): Promise<Removed[]> {
  const atWork = rows.filter((row) => (row.lease?.until ?? 0) > ports.now());
  const busy = atWork.map(({ key }) => markedKey(key));
  const orphans = inventories.flatMap(({ source, units }) => {
    const isWanted = wantedBy(source, rows, unreadable);
    return units.filter((unit) => !isWanted(unit)).map((unit) => ({ source, unit }));
  });
  const removed: Removed[] = [];
  for (const { source, unit } of orphans) {
    const { what: kind, id, environment, since } = unit;
    if (ports.now() - since < ORPHAN_GRACE || (environment && busy.includes(markedKey(environment))))
      continue;
    const firstSeen = await ports.records.sightOrphan(kind, id, ports.now());
    if (ports.now() - firstSeen < waitingTime(unit) || removed.length >= ORPHAN_CAP) continue;
    try {
      const removal = await source.discard(unit);
      if (removal === 'removed') await ports.records.forgetOrphan(kind, id);
      removed.push({ kind, id, removal });
      ports.log({ level: 'warn', message: `orphan ${removal}`, kind, id });
    } catch (error) {
      errors.push(error);
    }
  }
  return removed;
}

function wantedBy(source: GarbageSource, rows: readonly Row[], unreadable: readonly string[]) {
  const owned = new Set<string>();
  const left = new Set(unreadable.map(markedKey));
  const begun = new Set(rows.filter((row) => source.hasBegun(row)).map(({ key }) => markedKey(key)));
  for (const row of rows) {
    const ids = source.owns(row);
    if (ids === 'unknown') left.add(markedKey(row.key));
    else for (const id of ids) owned.add(id);
  }
  return ({ id, environment, parts = [] }: Unit): boolean => {
    if ([id, ...parts].some((one) => owned.has(one))) return true;
    if (environment === undefined) return left.size > 0;
    const mark = markedKey(environment);
    return left.has(mark) || begun.has(mark);
  };
}

/** Counted from the first sighting. A unit that can be made again is removed once it is certainly not needed. */
function waitingTime({ running }: Unit): number {
  return running === false ? ORPHAN_MACHINE_KEPT : ORPHAN_CONFIRMATION;
}

/** Does the row own something that no vendor has? The inventories must be complete. */
export function missesSomething(inventories: readonly Inventory[]): (row: Row) => boolean {
  const missed = inventories.map(({ source, units }) => ({
    source,
    existing: new Set(units.flatMap(({ id, parts = [] }) => [id, ...parts])),
  }));
  return (row) =>
    missed.some(({ source, existing }) => {
      const ids = source.owns(row);
      return ids !== 'unknown' && ids.some((id) => !existing.has(id));
    });
}
