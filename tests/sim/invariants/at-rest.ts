import { environmentKey } from '#core/environment-key';
import type { PullRequest } from '../../../local/github/github-state.ts';
import { STRANGERS } from '../people.ts';
import type { Simulation } from '../simulation.ts';
import { pullsOf, type Wanted, wantedOf } from '../truth.ts';
import { type RowView, viewOf } from '../view.ts';
import { machinesOn, owns } from './instant.ts';
import type { AtRest } from './invariant.ts';
import { untold } from './timed.ts';

const asWanted = { serving: 'serving', failed: 'failed', declined: 'declined', gone: 'gone' } as const;

/** Each is checked at rest; the ids begin with the reference's numbers. */
export const atRest: readonly AtRest[] = [
  { id: 'I21 what exists is what is wanted', broken: (sim) => firstOf(sim, existsAsWanted) ?? leftOver(sim) },
  { id: 'I20 who failed has been told why', broken: (sim) => firstOf(sim, toldWhy) },
  { id: 'I22 what people read is true', broken: (sim) => firstOf(sim, toldAsIs) },
  { id: 'I23 the garbage collection has nothing to do', broken: garbageCollectionIdle },
  { id: 'I24 nothing is under way', broken: nothingUnderWay },
];

/** Checked before a garbage collection, which would repair what a run left that died or got a message. */
export const uncompared: readonly AtRest[] = [
  { id: 'I18 every word was heard', broken: (sim) => whileNothingIsLost(sim, heardOf) },
  {
    id: 'I22 what people read is true before anything is compared',
    broken: (sim) => whileNothingIsLost(sim, servedAsTold),
  },
];

function whileNothingIsLost(sim: Simulation, check: Check): string | undefined {
  const { byHand, lost, late } = sim.history.marks;
  // A message for which every run ran out of time is still to be handled, as a dead letter.
  const isUnderWay = sim.platform.queue.messages().length + sim.platform.queue.deadLetters().length > 0;
  // When the operator takes Eph down, GitHub is not asked.
  const isDown = sim.platform.operator.paused === 'closed';
  return byHand || lost || late.size > 0 || isUnderWay || isDown ? undefined : firstOf(sim, check);
}

/** Checks only what serves, because other states are reported in many ways while there are obstacles. */
function servedAsTold(sim: Simulation, pull: PullRequest, row: RowView | undefined): string | undefined {
  const wanted = wantedOf(sim, pull);
  const serves =
    row?.finalState === 'serving' && wanted.kind === 'serving' && row.desiredCommit === wanted.commit;
  return serves ? toldAsIs(sim, pull, row) : undefined;
}

function heardOf({ platform }: Simulation, pull: PullRequest, row: RowView | undefined): string | undefined {
  if (!row) return pull.state === 'closed' ? undefined : 'there is no row';
  if (pull.state === 'open') {
    return row.desiredCommit === pull.headSha ? undefined : 'nobody has heard of its last push';
  }
  const name = row.hostname === undefined ? undefined : platform.cloudflare.machine.resolve(row.hostname);
  return name && 'it was closed 40 minutes ago, and its name is still there';
}

/** The reason why the system is not at rest yet; undefined where it is. */
export function pending(sim: Simulation): string | undefined {
  return firstOf(sim, existsAsWanted) ?? leftOver(sim) ?? nothingUnderWay(sim);
}

type Check = (sim: Simulation, pull: PullRequest, row: RowView | undefined) => string | undefined;

function firstOf(sim: Simulation, check: Check): string | undefined {
  for (const pull of pullsOf(sim)) {
    const key = environmentKey(pull.repositoryId, pull.number);
    const item = sim.platform.rows.get(key);
    const wrong = check(sim, pull, item && viewOf(item));
    if (wrong) return `${key}: ${wrong}`;
  }
  return undefined;
}

function existsAsWanted(sim: Simulation, pull: PullRequest, row: RowView | undefined): string | undefined {
  const { hosts, cloudflare } = sim.platform;
  const wanted = wantedOf(sim, pull);
  // It was opened and closed before Eph received a message about it.
  if (!row) return wanted.kind === 'gone' || wanted.kind === 'declined' ? undefined : 'there is no row';
  const failed = mayHaveFailed(sim, row, wanted);
  if (!failed && row.finalState !== asWanted[wanted.kind])
    return `it is ${row.finalState}, and ${wanted.kind} is wanted`;
  const machine = row.machine?.id;
  if (wanted.kind === 'gone' || wanted.kind === 'declined') {
    if (row.machine || row.tunnel || row.records.length > 0) return 'it has something left';
    return undefined;
  }
  if (row.desiredCommit !== wanted.commit) return `it is about ${row.desiredCommit}, not ${wanted.commit}`;
  if (wanted.kind === 'failed' || failed) return undefined;
  const served = machine === undefined ? undefined : hosts.serving(machine)?.sha;
  if (served !== wanted.commit) return `its machine serves ${served ?? 'nothing'}, not ${wanted.commit}`;
  const record = row.hostname === undefined ? undefined : cloudflare.machine.resolve(row.hostname);
  if (record?.content !== `${row.tunnel?.id}.cfargotunnel.com`) return 'its name leads elsewhere';
  const live = cloudflare.machine.liveConnections(row.tunnel?.id ?? '');
  return live.length > 0 ? undefined : 'its tunnel has no machine behind it';
}

function mayHaveFailed({ history }: Simulation, row: RowView, wanted: Wanted): boolean {
  return wanted.kind === 'serving' && row.finalState === 'failed' && history.marks.failures;
}

/** Checks also the other way: each unit that exists belongs to some row. */
function leftOver(sim: Simulation): string | undefined {
  const { platform } = sim;
  const rows = platform.rows.all().map(viewOf);
  const machines = new Set(rows.map(({ machine }) => machine?.id));
  const { instances } = platform.ec2.describeInstances({});
  const lost = instances
    .filter(({ state }) => state !== 'terminated' && state !== 'shutting-down')
    .find(({ id }) => !machines.has(id));
  if (lost) return `machine ${lost.id} (${lost.state}) is nobody's`;
  const on = machinesOn(sim).map(({ environment }) => environment);
  if (new Set(on).size < on.length) return 'a pull request has two machines that are on';
  const tunnel = platform.cloudflare.machine
    .listTunnels({ is_deleted: 'false', per_page: '1000' })
    .items.find(({ id, name }) => name !== STRANGERS.tunnel && !rows.some((row) => owns(sim, row, id)));
  if (tunnel) return `tunnel ${tunnel.name} is nobody's`;
  const record = platform.cloudflare.machine
    .listRecords({ per_page: '1000' })
    .items.find(({ id, name }) => name !== STRANGERS.record && !rows.some((row) => owns(sim, row, id)));
  if (record) return `record ${record.name} is nobody's`;
  const box = platform.mailbox.objects().find((name) => ![...machines].some((id) => id && name.includes(id)));
  return box && `mailbox ${box} is nobody's`;
}

/** There are one comment, one live deployment and one status, and all are true. */
function toldAsIs(sim: Simulation, pull: PullRequest, row: RowView | undefined): string | undefined {
  const { story } = sim;
  if (!row) return undefined;
  const wanted = wantedOf(sim, pull);
  const comments = pull.comments.filter((one) => one.viaApp);
  if (comments.length > 1) return `it has ${comments.length} comments`;
  const [comment] = comments;
  const live = story.repository.deployments
    .filter((one) => one.viaApp && !['inactive', 'failure'].includes(one.statuses.at(-1)?.state ?? 'pending'))
    .filter(({ sha }) => isOf(sim, pull, sha));
  const status = story.status(pull);
  switch (mayHaveFailed(sim, row, wanted) ? 'failed' : wanted.kind) {
    case 'serving': {
      const short = pull.headSha.slice(0, 7);
      if (!comment?.body.includes('Preview is ready')) return `its comment says: ${firstLine(comment?.body)}`;
      if (!comment.body.includes(short)) return `its comment is not about ${short}`;
      if (live.length !== 1 || live[0]?.sha !== pull.headSha) return `it has ${live.length} live deployments`;
      return status?.startsWith('success: ') && status.includes(short)
        ? undefined
        : `its status is ${status}`;
    }
    case 'failed':
      if (!/(Preview|Update) failed/.test(comment?.body ?? ''))
        return `its comment says: ${firstLine(comment?.body)}`;
      return status?.startsWith('failure: ') ? undefined : `its status is ${status}`;
    case 'declined':
    case 'gone':
      if (comment && /Preview is ready|being built|Waiting/.test(comment.body))
        return `its comment says: ${firstLine(comment.body)}`;
      if (live.length > 0) return `it has ${live.length} live deployments`;
      return status?.startsWith('pending: ') ? `its status was never ended: ${status}` : undefined;
    default:
      throw new Error(`unhandled state: ${JSON.stringify(wanted)}`);
  }
}

function toldWhy(sim: Simulation, _pull: PullRequest, row: RowView | undefined): string | undefined {
  return row?.finalState === 'failed' ? untold(sim, row) : undefined;
}

/** A branch belongs to one pull request here. */
function isOf({ story }: Simulation, pull: PullRequest, sha: string): boolean {
  const made = story.branchOf.get(sha);
  return made === pull.headRef && story.repository.id === pull.repositoryId;
}

function firstLine(body: string | undefined): string {
  return body?.split('\n').find((line) => line.startsWith('###')) ?? 'nothing';
}

/** Checks the collections since all is calm; what late calls, hands or lost notifications left is their work. */
function garbageCollectionIdle({ platform, history }: Simulation): string | undefined {
  if (history.marks.byHand || history.marks.lost || history.marks.late.size > 0) return undefined;
  const calmAt = platform.logs.findLastIndex(({ message }) => message === 'sweep: wake-all');
  for (const { message, collectAllGarbage } of platform.logs.slice(calmAt)) {
    if (message !== 'sweep: compare' || !isGarbageCollection(collectAllGarbage)) continue;
    const { removed, suspects } = collectAllGarbage;
    if (removed.length + suspects.length > 0) return JSON.stringify(collectAllGarbage);
  }
  return undefined;
}

function isGarbageCollection(value: unknown): value is { removed: unknown[]; suspects: unknown[] } {
  return typeof value === 'object' && value !== null && 'removed' in value && 'suspects' in value;
}

function nothingUnderWay(sim: Simulation): string | undefined {
  const { platform } = sim;
  if (sim.running() > 0) return `${sim.running()} runs are not over`;
  const [message] = platform.queue.messages();
  if (message) return `a message is left: ${message.body.slice(0, 120)}`;
  const [dead] = platform.queue.deadLetters();
  if (dead) return `a dead letter is left: ${dead.slice(0, 120)}`;
  for (const item of platform.rows.all()) {
    const row = viewOf(item);
    if (row.lease) return `${row.key} is held by ${row.lease.id}`;
    if (row.finalState === 'under way' && row.nextLookAt === undefined) return `${row.key} waits for nothing`;
  }
  return undefined;
}
