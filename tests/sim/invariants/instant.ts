import { ORPHAN_CAP, ORPHAN_CONFIRMATION } from '#core/limits';
import { tags } from '#core/names';
import { fromEnvironmentTag } from '../../../lambdas/providers/ec2/environment-tag.ts';
import { createTextFinder } from '../finds-text.ts';
import { SECRET, STRANGERS } from '../people.ts';
import type { Simulation } from '../simulation.ts';
import { pullOf } from '../truth.ts';
import { leaseOf, type RowView, viewOf, writesOf } from '../view.ts';
import type { Effect, Instant } from './invariant.ts';

const rowWrite = (verbs: string) => new RegExp(`^dynamodb UpdateItem environments (${verbs})$`);
const removal =
  /^(ec2 (Stop|Terminate)Instances|cloudflare (editTunnel|deleteTunnel|deleteRecord)|s3 DeleteObjects|dynamodb DeleteItem hosts)$/;
const secrets = new RegExp(`${SECRET}|token=temporary|ghs_`);
const MAX_SKEW = 2_000;
/** More calls than any story needs, so that it must be a loop. */
const MAX_CALLS = 400;

/** Each is checked after every effect that touches it; the numbers are those of the reference. */
export const instants: readonly Instant[] = [
  {
    id: 'I1 one machine of a pull request is on',
    touches: /^ec2 (Run|Start)Instances$/,
    broken({ sim }) {
      const seen = new Map<string, string>();
      for (const { id, environment } of machinesOn(sim)) {
        const other = seen.get(environment);
        if (other) return `${other} and ${id} of ${environment} are on`;
        seen.set(environment, id);
      }
      return undefined;
    },
  },
  {
    id: 'I3 whoever holds the lease writes',
    touches: /^(ec2|cloudflare|github|s3|ssm) /,
    broken({ sim, process, op, late }) {
      if (late || !op.writes || process.kind === 'sweep' || !process.key) return undefined;
      const item = sim.platform.rows.get(process.key);
      const lease = item && leaseOf(item);
      if (lease?.id === process.leaseId && lease && lease.until > now(sim) - MAX_SKEW) return undefined;
      return `${process.id} does ${op.name} for ${process.key}, whose lease it does not hold`;
    },
  },
  {
    id: 'I4 nobody writes over what he has not read',
    touches: rowWrite('save|release'),
    broken({ process, before, after, late }) {
      if (late || !after || before?.['state'] === process.seen) return undefined;
      return `${process.id} wrote over a state of ${process.key} that it had not read`;
    },
  },
  {
    id: 'I4 a late write does not undo a later one',
    touches: rowWrite('save'),
    broken({ process, before, after, late }) {
      if (!late || !before || !after || leaseOf(before)?.id !== leaseOf(after)?.id) return undefined;
      const [was, is] = [writesOf(before), writesOf(after)];
      if (was === undefined || is === undefined || is >= was) return undefined;
      return `write ${is} of ${process.id} took effect after write ${was}`;
    },
  },
  {
    id: 'I5 a lease is given only when none lives',
    touches: rowWrite('claim|claimIfDue'),
    broken({ sim, before, after, late }) {
      if (late || !before || !after) return undefined;
      const held = leaseOf(before);
      if (!held || held.id === after['leaseId'] || held.until <= now(sim) + MAX_SKEW) return undefined;
      return `${after['key']} was taken although it is held until ${held.until - now(sim)} ms from now`;
    },
  },
  {
    id: 'I6 nothing of others is touched',
    touches: removal,
    broken({ sim, op }) {
      const { machine } = sim.platform.cloudflare;
      const tunnels = machine.listTunnels({ name: STRANGERS.tunnel, is_deleted: 'false' }).items;
      if (tunnels.length === 0 || tunnels.some(({ id }) => id === op.about)) return `${op.name} ${op.about}`;
      return machine.resolve(STRANGERS.record) ? undefined : `the record of others is gone: ${op.name}`;
    },
  },
  {
    id: 'I7 the garbage collection removes nothing that a row has or has begun',
    touches: removal,
    early: true,
    broken({ sim, process, op, late }) {
      if (process.kind !== 'sweep' || late) return undefined;
      for (const row of sim.platform.rows.all().map(viewOf)) {
        const owned = owns(sim, row, op.about);
        if (owned) return `${process.id}: ${op.name} ${op.about}, which ${row.key} ${owned}`;
      }
      return undefined;
    },
  },
  {
    id: 'I7 the garbage collection removes nothing that it cannot have seen twice',
    touches: /^(ec2 (Stop|Terminate)Instances|cloudflare (deleteTunnel|deleteRecord))$/,
    early: true,
    broken({ sim, process, op, late }) {
      if (process.kind !== 'sweep' || late) return undefined;
      const since = madeAt(sim, op.about);
      const age = since === undefined ? Number.POSITIVE_INFINITY : now(sim) - since;
      // It was seen for the first time when it was made, at the earliest, by a clock that may be wrong.
      if (age >= ORPHAN_CONFIRMATION - MAX_SKEW) return undefined;
      return `${process.id}: ${op.name} ${op.about}, which is ${age} ms old`;
    },
  },
  {
    id: 'I8 the garbage collection removes few things, and none after a list that failed',
    touches: removal,
    broken({ process, op, late }) {
      if (process.kind !== 'sweep' || late) return undefined;
      process.removed.add(op.about);
      if (process.removed.size > ORPHAN_CAP) return `${process.id} removed ${process.removed.size} things`;
      const list = listBehind(op.name);
      return list !== undefined && process.failedLists.has(list)
        ? `${op.name} after ${list} failed`
        : undefined;
    },
  },
  {
    id: 'I9 no disk goes without GitHub’s word of the same run',
    touches: /^ec2 TerminateInstances$/,
    early: true,
    broken({ sim, process, op, late }) {
      if (late || process.kind === 'sweep' || sim.platform.operator.paused === 'closed') return undefined;
      if (isMachineGone(sim, op.about)) return undefined;
      const row = process.key === undefined ? undefined : rowOf(sim, process.key);
      if (!row?.machine?.mayHoldData || process.heard === 'unwanted') return undefined;
      // It was taken off the list after the call to GitHub, and then GitHub's answer is enough.
      if (process.heard !== undefined && isUnlisted(sim)) return undefined;
      return `${op.about} of ${row.key} was ended; GitHub was heard to say: ${process.heard ?? 'nothing'}`;
    },
  },
  {
    id: 'I10 a machine serves one pull request',
    touches: /^s3 PutObject$/,
    broken({ sim, op }) {
      const order = sim.platform.mailbox.spec(op.about);
      const mark = sim.platform.ec2.find(op.about)?.tags['instance']?.[tags.environment];
      if (!order || mark === undefined || fromEnvironmentTag(mark) === order.environment) return undefined;
      return `${op.about} of ${mark} got a deployment spec of ${order.environment}`;
    },
  },
  {
    id: 'I12 a fork gets no secrets',
    touches: /^s3 PutObject$/,
    broken({ sim, op }) {
      const order = sim.platform.mailbox.spec(op.about);
      const pull = order && pullOf(sim, order.environment);
      if (!order || !pull || pull.headRepositoryId === pull.repositoryId) return undefined;
      return Object.keys(order.secrets).length > 0 ? `${op.about} got secrets` : undefined;
    },
  },
  {
    id: 'I13 the name is there before anybody is told of it',
    touches: /^github issues\/(create|update)-comment$/,
    broken({ sim, process, result, late }) {
      if (late || !result.ok || !process.key) return undefined;
      const row = rowOf(sim, process.key);
      const body = pullOf(sim, process.key)?.comments.find((one) => one.viaApp)?.body ?? '';
      if (!row?.hostname || !body.includes(`https://${row.hostname}`)) return undefined;
      if (sim.platform.cloudflare.machine.resolve(row.hostname)) return undefined;
      const believes = row.records.some(({ id, hostname }) => id && hostname === row.hostname);
      return `${process.key} is told of ${row.hostname}, which is no name${believes ? '' : ', as the row knows'}`;
    },
  },
  {
    id: 'I15 a run comes to an end',
    touches: /./,
    broken: ({ process }) =>
      process.calls > MAX_CALLS && process.kind === 'message'
        ? `${process.id} made ${process.calls} calls`
        : undefined,
  },
];

export function createSecretSearch(): Instant {
  const findSecret = createTextFinder(secrets);
  return {
    id: 'no secret is in a row',
    touches: rowWrite('save|release'),
    broken({ after }) {
      const found = findSecret(after);
      return found && `${after?.['key']} holds ${found}`;
    },
  };
}

/** I11: a generation is one commit, and a machine gets its deployment spec so, and no older one after it. */
export function createGenerations(): Instant {
  const told = new Map<string, string>();
  const newest = new Map<string, number>();
  return {
    id: 'I11 a generation is one commit, and none comes back',
    touches: /^s3 PutObject$/,
    broken({ sim, op }) {
      const order = sim.platform.mailbox.spec(op.about);
      // Nothing reads what comes into the mailbox of a machine that is gone; garbage collection removes it.
      if (!order || isMachineGone(sim, op.about)) return undefined;
      const last = newest.get(op.about) ?? 0;
      if (order.generation < last)
        return `the order of ${op.about} is of generation ${order.generation} after one of ${last}`;
      newest.set(op.about, order.generation);
      const name = `${op.about} ${order.generation}`;
      const before = told.get(name);
      told.set(name, order.source.sha);
      if (before === undefined || before === order.source.sha) return undefined;
      return `${name} was ${before.slice(0, 7)} and is ${order.source.sha.slice(0, 7)}`;
    },
  };
}

/** I14: what fails is tried again with a back-off, not as fast as it fails. */
export function createPace(): Instant {
  const taken = new Map<string, number[]>();
  const MAX_A_MINUTE = 60;
  return {
    id: 'I14 a row is looked at so often and no more',
    touches: rowWrite('claim|claimIfDue'),
    broken({ sim, op, after }) {
      if (!after) return undefined;
      const times = (taken.get(op.about) ?? []).filter((at) => at > now(sim) - 60_000);
      times.push(now(sim));
      taken.set(op.about, times);
      return times.length > MAX_A_MINUTE
        ? `${op.about} was taken ${times.length} times in a minute`
        : undefined;
    },
  };
}

function isMachineGone({ platform }: Simulation, instanceId: string): boolean {
  const state = platform.ec2.find(instanceId)?.state;
  return state === undefined || state === 'terminated' || state === 'shutting-down';
}

function isUnlisted({ platform }: Simulation): boolean {
  return platform.config.REPOSITORIES.join() !== 'acme/*';
}

function now({ platform }: Simulation): number {
  return platform.clock.now();
}

function rowOf({ platform }: Simulation, key: string): RowView | undefined {
  const item = platform.rows.get(key);
  return item && viewOf(item);
}

export function machinesOn({
  platform,
}: Pick<Simulation, 'platform'>): { id: string; environment: string }[] {
  const stale = platform.ec2.knobs.staleReadMs;
  platform.ec2.knobs.staleReadMs = 0;
  const { instances } = platform.ec2.describeInstances({});
  platform.ec2.knobs.staleReadMs = stale;
  return instances
    .filter(({ state }) => state === 'pending' || state === 'running')
    .map(({ id, tags: marks }) => ({ id, environment: marks['instance']?.[tags.environment] ?? '' }));
}

/** Found by its id, or where it is only begun by its name or token in the row. */
export function owns({ platform }: Simulation, row: RowView, id: string): 'has' | 'has begun' | undefined {
  if (row.machine?.id === id || row.tunnel?.id === id) return 'has';
  if (row.records.some((record) => record.id === id)) return 'has';
  const token = platform.ec2.find(id)?.clientToken;
  if (row.machine && !row.machine.id && token === row.machine.token) return 'has begun';
  const { machine } = platform.cloudflare;
  const begun = row.records.filter((record) => !record.id).map(({ hostname }) => hostname);
  if (begun.some((hostname) => machine.resolve(hostname)?.id === id)) return 'has begun';
  if (!row.tunnel || row.tunnel.id) return undefined;
  const { items } = machine.listTunnels({ name: row.tunnel.name, is_deleted: 'false' });
  return items.some((tunnel) => tunnel.id === id) ? 'has begun' : undefined;
}

function madeAt({ platform }: Simulation, id: string): number | undefined {
  const { machine } = platform.cloudflare;
  const launched = platform.ec2.find(id)?.launchedAt;
  if (launched !== undefined) return launched;
  const tunnel = machine
    .listTunnels({ is_deleted: 'false', per_page: '1000' })
    .items.find((one) => one.id === id);
  const record = machine.listRecords({ per_page: '1000' }).items.find((one) => one.id === id);
  const made = tunnel?.created_at ?? record?.created_on;
  return made === undefined ? undefined : Date.parse(made);
}

function listBehind(removal: string): string | undefined {
  if (removal.startsWith('ec2 ')) return 'ec2 DescribeInstances';
  if (removal.endsWith('Tunnel')) return 'cloudflare listTunnels';
  if (removal.endsWith('Record')) return 'cloudflare listRecords';
  if (removal.startsWith('dynamodb ')) return 'dynamodb Scan hosts';
  return undefined;
}

export type { Effect };
