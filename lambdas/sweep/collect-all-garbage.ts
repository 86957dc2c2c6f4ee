import { ownsAnything, type Row } from '#core/environment';
import { MAX_ENDED_WOKEN, MAX_UNCONFIRMED_WOKEN, ORPHAN_GRACE, UNCONFIRMED_FOR } from '#core/limits';
import { findStuck } from '#core/stuck';
import { forgeOf } from '../providers/forge.ts';
import type { Unit } from '../providers/handle.ts';
import type { Dependencies } from '../reconcile/run.ts';
import { collectGarbage, type Inventory, missesSomething, type Removed } from './collect-garbage.ts';
import { type GarbageSource, garbageSourceOf } from './garbage-source.ts';

const MAX_STUCK_SHOWN = 20;

export interface GarbageCollection {
  removed: Removed[];
  suspects: string[];
  woken: number;
}

/**
 * Compares what exists with what should exist, in both directions, for everything that Eph makes.
 *
 * Gotchas
 * - The vendors are listed first, then the rows: a row that is newer than the list can only know more.
 * - Absence is evidence only after a complete list: a list that fails removes nothing of its kind, and the
 *   error is thrown at the end so that the function's error metric moves.
 * - A row that cannot be read (a newer version's, after a roll-back) is left alone with everything that belongs to it;
 *   the others are compared.
 * - Only things with this deployment's mark are listed at all.
 */
export async function collectAllGarbage(deps: Dependencies): Promise<GarbageCollection> {
  const { ports } = deps;
  const sources = garbageSourcesOf(deps);
  const lists = await Promise.allSettled(sources.map(takeInventory));
  const { rows, unreadable } = await ports.environments.all();
  if (unreadable.length > 0) {
    ports.log({ level: 'error', message: 'rows that cannot be read', environments: unreadable });
  }
  const inventories = lists.flatMap((list) => (list.status === 'fulfilled' ? [list.value] : []));
  const errors = lists.flatMap((list) => (list.status === 'rejected' ? [list.reason] : []));
  const complete = errors.length === 0;
  const removed = await collectGarbage(inventories, rows, unreadable, errors, ports);
  const suspects = complete ? findSuspects(inventories, rows, ports.now()) : [];
  // Each living environment is reconciled with the forge once an hour: webhooks may be lost without a trace.
  const living = [
    ...rows.filter(({ state }) => ownsAnything(state) || mayComeBack(state)),
    ...rows.filter((row) => isUnconfirmed(row, ports.now())).slice(0, MAX_UNCONFIRMED_WOKEN),
    ...rows.filter((row) => isLastReportUnchecked(row, deps)).slice(0, MAX_ENDED_WOKEN),
  ].map((row) => row.key);
  await ports.jobs.sendAll(
    living.map((environment) => {
      const suspect = suspects.includes(environment);
      const cause = suspect ? 'something is missing' : 'hourly check';
      return { v: 1, kind: 'wake', delivery: ports.newId(), environment, cause, suspect, recheck: true };
    }),
  );
  countEnvironments(rows, deps);

  if (errors.length > 0) throw new AggregateError(errors, 'some things could not be listed or removed');
  return { removed, suspects, woken: living.length };
}

/** Destroyed while the forge's last answer was "open" (Eph was taken down), or without access for another answer. */
function mayComeBack({ phase, pull, away }: Row['state']): boolean {
  return away !== undefined || (phase === 'destroyed' && pull?.state === 'open');
}

/** Opened while the forge refused to show it. Forged messages make such rows too: some are woken, for a day. */
function isUnconfirmed({ state }: Row, now: number): boolean {
  return state.pull === undefined && state.paused === undefined && now - state.createdAt < UNCONFIRMED_FOR;
}

/** The last report may not have been the last to take effect; after one check of it, the row is over. */
function isLastReportUnchecked({ key, state }: Row, { ports }: Dependencies): boolean {
  if (ownsAnything(state) || mayComeBack(state) || !state.told) return false;
  return forgeOf(ports.forges, key)?.isChecked(state.told) === false;
}

/** The alarm reads `stuck` in this line. */
function countEnvironments(rows: Row[], { ports }: Dependencies): void {
  const stuck = findStuck(rows, ports.now());
  const total = rows.filter(({ state }) => state.phase !== 'destroyed').length;
  ports.log({
    level: 'info',
    message: 'environments',
    total,
    stuck: stuck.length,
    stuckKeys: stuck.slice(0, MAX_STUCK_SHOWN),
  });
}

async function takeInventory(source: GarbageSource): Promise<Inventory> {
  const units: Unit[] = [];
  for await (const unit of source.list()) units.push(unit);
  return { source, units };
}

/**
 * Rows that own something which no vendor has, or a running machine that is off (its dead man's timer switched it off,
 * or a person at the console); their own run finds this out and repairs it.
 */
function findSuspects(inventories: Inventory[], rows: Row[], now: number): string[] {
  const off = new Set(
    inventories.flatMap(({ units }) => units.filter((unit) => unit.running === false).map(({ id }) => id)),
  );
  const isOff = (row: Row) =>
    row.state.host?.power === 'on' && inventories.some(({ source }) => ownsAnyOf(source, row, off));
  const misses = missesSomething(inventories);
  return rows
    .filter((row) => (row.lease?.until ?? 0) <= now)
    .filter((row) => now - (row.state.host?.startedAt ?? row.state.phaseSince) > ORPHAN_GRACE)
    .filter((row) => isOff(row) || misses(row))
    .map((row) => row.key);
}

function ownsAnyOf(source: GarbageSource, row: Row, ids: ReadonlySet<string>): boolean {
  const owned = source.owns(row);
  return owned !== 'unknown' && owned.some((id) => ids.has(id));
}

function garbageSourcesOf({ ports }: Dependencies): GarbageSource[] {
  return [
    garbageSourceOf(ports.ingress, (state) => state.ingress),
    garbageSourceOf(ports.compute, (state) => state.host?.handle),
  ];
}
