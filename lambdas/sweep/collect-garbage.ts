import type { Row } from '#core/environment';
import { ORPHAN_CAP, ORPHAN_CONFIRMATION, ORPHAN_GRACE, ORPHAN_MACHINE_KEPT } from '#core/limits';
import type { Ports } from '../ports.ts';
import type { Unit } from '../providers/handle.ts';
import { markedKey } from '../providers/marked-key.ts';
import type { GarbageSource } from './garbage-source.ts';

/** All units of one source; a list that is not complete is none. */
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
 * Discards units of nobody, whichever source has them.
 *
 * Gotchas
 * - An orphan is older than the grace period, was seen twice ORPHAN_CONFIRMATION apart, and its row is not being
 *   worked on. No run discards more than ORPHAN_CAP: a bug here must not empty an account.
 * - Where data may be somebody's, discarding only makes harmless at first (a machine is stopped); what is harmless
 *   goes a day later.
 * - A unit goes whole, so it is wanted while a row answers for any part of it.
 * - A mark may hold less than a long key, so it is marks that are compared.
 * - While a row has begun something whose id it does not know, every unit with its mark is wanted: a run that dies, or
 *   a commit that fails, in between must not have the garbage collection remove what the next run will adopt.
 * - What belongs to a row, or a handle, that only a newer version can read is wanted, and so is everything that
 *   does not say to whom it belongs while there is such a one.
 * - One unit that cannot be discarded does not keep the others: its error goes to `errors`.
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

/** Counted from the first sighting. What can be made again goes as soon as it is certain that nobody needs it. */
function waitingTime({ running }: Unit): number {
  return running === false ? ORPHAN_MACHINE_KEPT : ORPHAN_CONFIRMATION;
}

/** Does the row answer for something that no cloud has? Only of complete inventories. */
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
