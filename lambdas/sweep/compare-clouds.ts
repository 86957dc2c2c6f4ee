import { ownsAnything, type Row } from '#core/environment';
import {
  ENDED_LOOKS,
  ORPHAN_CAP,
  ORPHAN_CONFIRMATION,
  ORPHAN_GRACE,
  ORPHAN_MACHINE_KEPT,
  UNCONFIRMED_FOR,
  UNCONFIRMED_LOOKS,
} from '#core/limits';
import { findStuck } from '#core/stuck';
import type { World } from '../reconcile/run.ts';

/**
 * What exists against what should, both ways, for each kind of thing that Eph makes.
 *
 * Gotchas
 * - The clouds are listed first, then the rows: a row that is younger than the list can only know more.
 * - Absence is evidence only after a complete list: a list that fails removes nothing of its kind, and the
 *   error is thrown at the end so that the function's error metric moves.
 * - An orphan is older than the grace period, was seen twice ORPHAN_CONFIRMATION apart, and its row is not
 *   being worked on. No run removes more than ORPHAN_CAP: a bug here must not empty an account.
 * - An orphan machine is only stopped at first, since its disk may be all that is left of somebody's data; it
 *   is ended a day later.
 * - Only things with this deployment's mark are listed at all.
 */
interface Thing {
  kind: 'instance' | 'tunnel' | 'record' | 'mailbox' | 'host row';
  id: string;
  environment: string | undefined;
  at: number;
  /** Of an instance: it has been switched off. */
  off?: boolean;
  /** As an orphan: what is done to it, how long after the first sighting, and whether it is gone then. */
  removal: 'removed' | 'stopped';
  after: number;
  remove(): Promise<void>;
}

const MAX_STUCK_SHOWN = 20;

export interface Comparison {
  removed: { kind: string; id: string; removal: 'removed' | 'stopped' }[];
  suspects: string[];
  looked: number;
}

export async function compareClouds(world: World): Promise<Comparison> {
  const { ports } = world;
  const lists = await Promise.allSettled([
    listInstances(world),
    listTunnels(world),
    listRecords(world),
    listMailboxes(world),
    listHostRows(world),
  ]);
  const rows = await ports.environments.all();
  const things = lists.flatMap((list) => (list.status === 'fulfilled' ? list.value : []));
  const errors = lists.flatMap((list) => (list.status === 'rejected' ? [list.reason] : []));
  const complete = errors.length === 0;
  const removed = await removeOrphans(things, rows, errors, world);
  const suspects = complete ? findSuspects(things, rows, ports.now()) : [];
  // Each living environment is held against its forge once an hour: messages may be lost without a trace.
  const living = [
    ...rows.filter(({ state }) => ownsAnything(state) || mayComeBack(state)),
    ...rows.filter((row) => isUnconfirmed(row, ports.now())).slice(0, UNCONFIRMED_LOOKS),
    ...rows.filter((row) => isHeardLast(row, world)).slice(0, ENDED_LOOKS),
  ].map((row) => row.key);
  await ports.jobs.sendAll(
    living.map((environment) => {
      const suspect = suspects.includes(environment);
      const cause = suspect ? 'something is missing' : 'hourly look';
      return { v: 1, kind: 'wake', delivery: ports.newId(), environment, cause, suspect, recheck: true };
    }),
  );
  countEnvironments(rows, world);

  if (errors.length > 0) throw new AggregateError(errors, 'some things could not be listed or removed');
  return { removed, suspects, looked: living.length };
}

/** Gone while the forge's last word was "open" (Eph was taken down), or without access to hear another word. */
function mayComeBack({ phase, pull, away }: Row['state']): boolean {
  return away !== undefined || (phase === 'destroyed' && pull?.state === 'open');
}

/** Opened while the forge refused to show it. Whoever forges messages makes such rows too, so only some, and for a day. */
function isUnconfirmed({ state }: Row, now: number): boolean {
  return state.pull === undefined && state.paused === undefined && now - state.createdAt < UNCONFIRMED_FOR;
}

/** What was told at the end may not have been the last to take effect; once it was held against that, it is over. */
function isHeardLast({ state }: Row, { ports }: World): boolean {
  if (ownsAnything(state) || mayComeBack(state) || !state.told) return false;
  return !ports.forge.isChecked(state.told);
}

/** The alarm reads `stuck` out of this line. */
function countEnvironments(rows: Row[], { ports }: World): void {
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

/** One thing that cannot be removed does not keep the others: its error goes to `errors`. */
async function removeOrphans(
  things: Thing[],
  rows: Row[],
  errors: unknown[],
  world: World,
): Promise<Comparison['removed']> {
  const { ports } = world;
  const wanted = new Set(rows.flatMap(expectedIds));
  const busy = new Set(rows.filter((row) => (row.lease?.until ?? 0) > ports.now()).map((row) => row.key));
  const removed: Comparison['removed'] = [];
  for (const thing of things) {
    if (wanted.has(`${thing.kind} ${thing.id}`)) continue;
    if (ports.now() - thing.at < ORPHAN_GRACE || (thing.environment && busy.has(thing.environment))) continue;
    const firstSeen = await ports.records.sightOrphan(thing.kind, thing.id, ports.now());
    if (ports.now() - firstSeen < thing.after || removed.length >= ORPHAN_CAP) continue;
    const { kind, id, removal } = thing;
    try {
      await thing.remove();
      if (removal === 'removed') await ports.records.forgetOrphan(kind, id);
    } catch (error) {
      errors.push(error);
      continue;
    }
    removed.push({ kind, id, removal });
    ports.log({ level: 'warn', message: `orphan ${removal}`, kind, id });
  }
  return removed;
}

/** Everything a row answers for. A launch whose answer was lost is found by its own run, within the grace. */
function expectedIds(row: Row): string[] {
  const { host, tunnel, records } = row.state;
  const machine = host?.instanceId;
  return [
    ...(machine ? [`instance ${machine}`, `mailbox ${machine}`, `host row ${machine}`] : []),
    ...(tunnel?.id ? [`tunnel ${tunnel.id}`] : []),
    ...records.flatMap(({ id }) => (id ? [`record ${id}`] : [])),
  ];
}

/**
 * Rows that say they have something which no cloud knows, or a running machine that is off (its dead man's
 * timer, somebody at the console); their own run finds out and mends it.
 */
function findSuspects(things: Thing[], rows: Row[], now: number): string[] {
  const existing = new Set(things.map((thing) => `${thing.kind} ${thing.id}`));
  const off = new Set(things.filter((thing) => thing.off).map((thing) => thing.id));
  const isMissing = (id: string) => /^(instance|tunnel|record) /.test(id) && !existing.has(id);
  const isOff = ({ host }: Row['state']) => host?.power === 'on' && off.has(host.instanceId ?? '');
  return rows
    .filter((row) => (row.lease?.until ?? 0) <= now)
    .filter((row) => now - (row.state.host?.startedAt ?? row.state.phaseSince) > ORPHAN_GRACE)
    .filter((row) => isOff(row.state) || expectedIds(row).some(isMissing))
    .map((row) => row.key);
}

/** What can be made again goes as soon as it is certain that nobody needs it. */
const atOnce = { removal: 'removed', after: ORPHAN_CONFIRMATION } as const;

async function listInstances({ ports }: World): Promise<Thing[]> {
  const machines = await ports.machines.list();
  return machines
    .filter(({ power }) => power !== 'gone')
    .map(({ instanceId, environment, launchedAt, power }) => ({
      kind: 'instance',
      id: instanceId,
      environment,
      at: launchedAt,
      ...(power === 'off'
        ? {
            off: true,
            removal: 'removed',
            after: ORPHAN_MACHINE_KEPT,
            remove: () => ports.machines.terminate(instanceId),
          }
        : {
            removal: 'stopped',
            after: ORPHAN_CONFIRMATION,
            remove: () => ports.machines.stop(instanceId),
          }),
    }));
}

async function listTunnels({ ports }: World): Promise<Thing[]> {
  const tunnels = await ports.tunnels.listTunnels();
  return tunnels.map(({ id, environment, createdAt }) => ({
    kind: 'tunnel',
    id,
    environment,
    at: createdAt,
    ...atOnce,
    remove: () => ports.tunnels.deleteTunnel(id),
  }));
}

async function listRecords({ ports }: World): Promise<Thing[]> {
  const records = await ports.tunnels.listRecords();
  return records.map(({ id, environment, createdAt }) => ({
    kind: 'record',
    id,
    environment,
    at: createdAt,
    ...atOnce,
    remove: () => ports.tunnels.deleteRecord(id),
  }));
}

/** Of no age: a row knows its machine before anything is mailed, and two sightings say more than the grace. */
async function listMailboxes({ ports }: World): Promise<Thing[]> {
  const mailboxes = await ports.mailbox.list();
  return mailboxes.map((instanceId) => ({
    kind: 'mailbox',
    id: instanceId,
    environment: undefined,
    at: 0,
    ...atOnce,
    remove: () => ports.mailbox.clear(instanceId),
  }));
}

async function listHostRows({ ports }: World): Promise<Thing[]> {
  const hosts = await ports.records.hosts();
  return hosts.map(({ instanceId, environment, since }) => ({
    kind: 'host row',
    id: instanceId,
    environment,
    at: since,
    ...atOnce,
    remove: () => ports.records.forgetHost(instanceId),
  }));
}
