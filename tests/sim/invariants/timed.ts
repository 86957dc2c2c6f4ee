import { environmentKey } from '#core/environment-key';
import { tags } from '#core/names';
import { fromEnvironmentTag } from '../../../lambdas/providers/ec2/environment-tag.ts';
import type { PullRequest } from '../../../local/github/github-state.ts';
import { minutes } from '../../fakes/story.ts';
import type { Happening } from '../history.ts';
import { hasAccess } from '../people.ts';
import type { Simulation } from '../simulation.ts';
import { pullOf, type Wanted, wantedOf } from '../truth.ts';
import { type RowView, viewOf } from '../view.ts';
import { machinesOn } from './instant.ts';
import type { Timed } from './invariant.ts';

/** The longest back-off, and a message that comes back after a run died: within this time a run may be late. */
const CALM = minutes(15);
/** A push may come during a run, which ends its step first. */
const CALLS_OF_A_PUSH = 20;

export const timed: readonly Timed[] = [
  {
    id: 'I16 what is closed has no address after a minute',
    within: () => minutes(1),
    concerns: isUnwanted,
    broken: ({ platform }, row) => {
      const { machine } = platform.cloudflare;
      const name = row.hostname === undefined ? undefined : machine.resolve(row.hostname);
      if (name) return `its name ${name.name} is still there`;
      const { items } = machine.listTunnels({ name: row.tunnel?.name ?? 'none', is_deleted: 'false' });
      return items.length > 0 ? `its tunnel ${row.tunnel?.name} is still there` : undefined;
    },
  },
  {
    id: 'I16 of what is closed nothing is left after five minutes, but a stopped machine for its time',
    within: () => minutes(5),
    concerns: isUnwanted,
    broken(sim, row) {
      if (machinesOn(sim).some(({ environment }) => environment === row.key)) return 'its machine is on';
      const keeps = sim.platform.config.TERMINATE_AFTER_SECONDS > 0;
      if (!keeps && row.machine) return 'its machine is still there';
      return row.tunnel || row.records.length > 0 ? 'it has an address left' : undefined;
    },
  },
  {
    id: 'I17 a push stops the older build',
    within: ({ schedule }) => 2_000 + CALLS_OF_A_PUSH * schedule.slowest(),
    concerns: (sim, wanted, row) => wanted.kind === 'serving' && isBuildingAnother(sim, wanted.commit, row),
    broken(sim, row, wanted) {
      const commit = 'commit' in wanted ? wanted.commit : '';
      // Meanwhile it was switched off, or the build ended.
      if (row.finalState !== 'under way' || !isOn(sim, row) || isStarving(sim, row)) return undefined;
      const order = row.machine?.id === undefined ? undefined : sim.platform.mailbox.spec(row.machine.id);
      if (!order || order.source.sha === commit) return undefined;
      return `its machine is still told to build ${order.source.sha.slice(0, 7)}, not ${commit.slice(0, 7)}`;
    },
  },
];

export const told: Timed = {
  id: 'I20 who failed has been told why',
  within: () => minutes(1),
  concerns: (_sim, _wanted, row) => row.finalState === 'failed',
  broken: (sim, row) => (row.finalState === 'failed' ? untold(sim, row) : undefined),
};

/**
 * After a report: without reports, a machine is only checked when something has taken too long. What it serves by a
 * deployment spec that the row has given up does not count: a machine that was switched off during its build begins it
 * again, and if the next deployment spec cannot be sent (its tunnel was deleted by hand), it serves the old one.
 */
export const listened: Timed = {
  id: 'I20 who reports that it serves is believed in a minute',
  within: () => minutes(1),
  concerns: servesUnknown,
  broken: (sim, row, wanted) =>
    servesUnknown(sim, wanted, row) ? 'its machine serves, and nobody has listened to it' : undefined,
};

function servesUnknown(sim: Simulation, wanted: Wanted, { machine, finalState, awaited }: RowView): boolean {
  if (wanted.kind !== 'serving' || finalState !== 'under way' || machine?.id === undefined) return false;
  const serving = sim.platform.hosts.serving(machine.id);
  return serving?.sha === wanted.commit && serving.generation === awaited;
}

/** True where the comment says why it failed. */
export function untold(sim: Simulation, row: RowView): string | undefined {
  const comment = pullOf(sim, row.key)?.comments.find((one) => one.viaApp)?.body ?? '';
  const sentence = row.failure ?? '';
  return plain(comment).includes(plain(sentence).slice(0, 80)) ? undefined : `nobody was told: ${sentence}`;
}

/** The text as it was written, without the escapes for Markdown. */
function plain(text: string): string {
  return text.replaceAll('\u200b', '').replaceAll('&lt;', '<').replace(/\s+/g, ' ').trim();
}

/** Checks after some time, unless there was a disturbance, or something else is wanted by then. */
export function watch(
  sim: Simulation,
  key: string,
  { within, concerns, broken }: Timed,
  found: (why: string) => void,
): void {
  const pull = pullOf(sim, key);
  const row = rowOf(sim, key);
  if (!pull || !row) return;
  const { clock } = sim.platform;
  const wanted = wantedOf(sim, pull);
  const since = clock.now();
  if (!concerns(sim, wanted, row)) return;
  sim.schedule.at(since + within(sim), () => {
    const now = rowOf(sim, key);
    if (!now || !isSame(wanted, wantedOf(sim, pull)) || isDisturbed(sim, pull, since - CALM)) return;
    const why = broken(sim, now, wanted);
    if (why) found(`${key}: ${why}`);
  });
}

/** The pull request that a message from GitHub is about. */
export function spokenOf(body: string): string | undefined {
  if (!body.includes('"pull_request"')) return undefined;
  const job: unknown = JSON.parse(body);
  if (typeof job !== 'object' || job === null || !('kind' in job) || job.kind !== 'pull_request')
    return undefined;
  if (!('repository' in job) || !('number' in job) || typeof job.number !== 'number') return undefined;
  const { repository } = job;
  const isKnown = typeof repository === 'object' && repository !== null && 'id' in repository;
  return isKnown && typeof repository.id === 'number' ? environmentKey(repository.id, job.number) : undefined;
}

/** The environment whose machine has written a report, as the machine is marked. */
export function reporterOf({ platform }: Simulation, body: string): string | undefined {
  const id = body.includes('"aws:s3"') ? /i-[0-9a-f]{8,17}/.exec(body)?.[0] : undefined;
  const mark = id === undefined ? undefined : platform.ec2.find(id)?.tags['instance']?.[tags.environment];
  return mark === undefined ? undefined : fromEnvironmentTag(mark);
}

function isUnwanted(_sim: Simulation, { kind }: Wanted): boolean {
  return kind === 'gone' || kind === 'declined';
}

/** A build that was replaced for too long may finish; another machine, or one that is off, has nothing to stop. */
function isBuildingAnother(sim: Simulation, commit: string, row: RowView): boolean {
  const { id } = row.machine ?? {};
  const order = id === undefined ? undefined : sim.platform.mailbox.spec(id);
  const isBuilding = row.buildingSince !== undefined && isOn(sim, row) && row.finalState === 'under way';
  return isBuilding && order !== undefined && order.source.sha !== commit && !isStarving(sim, row);
}

function isStarving({ platform }: Simulation, { buildingSince }: RowView): boolean {
  return buildingSince !== undefined && platform.clock.now() - buildingSince >= minutes(9);
}

function isOn({ platform }: Simulation, { machine }: RowView): boolean {
  return machine?.id !== undefined && platform.ec2.find(machine.id)?.state === 'running';
}

function isSame(one: Wanted, other: Wanted): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** The actions of people on pull requests, the results of builds, and late answers of EC2 are no disturbance. */
const usual =
  /^(open|push|close|reopen|convert|mark|nothing|deliver|speak|the clouds|the due|builds|EC2 tells late|all is calm)/;

function isDisturbed(sim: Simulation, _pull: PullRequest, from: number): boolean {
  const { platform, history } = sim;
  if (platform.operator.paused !== 'no' || !hasAccess(sim)) return true;
  if (platform.ec2.knobs.noCapacityIn.size > 0) return true;
  const all = history.all();
  for (let index = all.length - 1; index >= 0; index -= 1) {
    const one = all[index];
    if (!one || one.at < from) return false;
    if (disturbs(one)) return true;
  }
  return false;
}

function disturbs(one: Happening): boolean {
  switch (one.kind) {
    case 'fate':
      return true;
    case 'effect':
      return one.late;
    case 'end':
      return one.how !== 'done';
    case 'act':
      return !usual.test(one.what);
    case 'begin':
    case 'broken':
      return false;
    default:
      throw new Error(`unhandled happening: ${JSON.stringify(one satisfies never)}`);
  }
}

function rowOf({ platform }: Simulation, key: string): RowView | undefined {
  const item = platform.rows.get(key);
  return item && viewOf(item);
}
