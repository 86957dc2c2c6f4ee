import type { Pause } from '#core/pause';
import type { SweepTask } from '../../lambdas/sweep/sweep.ts';
import type { PullRequest } from '../../local/github/github-state.ts';
import type { TestPlatform } from '../fakes/create-test-platform.ts';
import { hours, minutes, type Story } from '../fakes/story.ts';
import type { Simulation } from './simulation.ts';
import { NOTHING_TO_RUN, pullsOf, UNUSABLE } from './truth.ts';

/** The acts of people, vendors and machines. The first is the mildest: nothing. */
type Act = readonly [name: string, act: (sim: Simulation, pull: PullRequest) => void];

export const say =
  (pause: Pause): Act[1] =>
  (sim) => {
    sim.platform.operator.paused = pause;
    sim.beginSweep('wake-all');
  };
const begin =
  (task: SweepTask): Act[1] =>
  (sim) =>
    sim.beginSweep(task);
export const build =
  (habits: Partial<Simulation['platform']['hosts']['habits']>): Act[1] =>
  ({ platform, history }) => {
    Object.assign(platform.hosts.habits, habits);
    history.marks.failures ||= habits.build !== 'ready';
  };

/** For some time EC2 does not know what it has launched. */
export function tellLate({ platform }: Simulation): void {
  platform.ec2.knobs.staleReadMs = minutes(2);
}

const acts: readonly [Act, ...Act[]] = [
  ['nothing', () => undefined],
  ['push', ({ story }, pull) => void story.push(pull)],
  ['push', ({ story }, pull) => void story.push(pull)],
  ['push what cannot be used', ({ story }, pull) => void story.push(pull, UNUSABLE)],
  ['close', ({ story }, pull) => void story.close(pull)],
  ['close', ({ story }, pull) => void story.close(pull)],
  ['reopen', reopen],
  ['reopen', reopen],
  ['convert to a draft', ({ story }, pull) => story.convertToDraft(pull)],
  ['mark ready for review', ({ story }, pull) => story.markReady(pull)],
  ['open another one', openOne],
  ['deliver once more', redeliverAny],
  ['speak four times at once', speakAtOnce],
  ['pause launches', say('launches')],
  ['pause everything', say('everything')],
  ['resume', say('no')],
  ['builds fail', build({ build: 'failed' })],
  ['builds fail and take down what served', build({ build: 'failed', keepsServing: false })],
  ['builds never end', build({ build: 'stuck' })],
  ['machines stay silent', build({ build: 'silent' })],
  ['builds work', build({ build: 'ready', keepsServing: true })],
  ['archives cannot be used', build({ needs: 'git' })],
  ['no capacity', ({ platform }) => void platform.ec2.knobs.noCapacityIn.add('t3.small')],
  ['capacity again', ({ platform }) => platform.ec2.knobs.noCapacityIn.clear()],
  ['EC2 tells late', tellLate],
  ['indexes lag', ({ platform }) => void Object.assign(platform.rows.knobs, { lag: 30_000 })],
  ['the machine is stopped by hand', byHand('running', (sim, ids) => sim.platform.ec2.stopInstances(ids))],
  ['the machine is ended by hand', byHand('running', (sim, ids) => sim.platform.ec2.terminateInstances(ids))],
  ['the tunnel is deleted by hand', deleteTunnels],
  ['the garbage collection runs', begin('compare')],
  ['the due are woken', begin('due')],
  ['webhooks fail', failWebhooks],
  ['webhooks go through', ({ platform }) => void Object.assign(platform, { webhooksFail: false })],
  ['access is lost', loseAccess],
  ['access comes back', giveAccess],
  ['merge', ({ platform, story }, pull) => merge(platform, story, pull)],
  ['push what has nothing to run', pushNothing],
  ['a fork opens one', (sim) => openFrom(sim, 'fork')],
  ['a bot opens one', (sim) => openFrom(sim, 'bot')],
  ['the repository is archived', (sim) => archive(sim, true)],
  ['the repository is not archived any more', (sim) => archive(sim, false)],
  ['the repository is taken off the list', ({ platform }) => list(platform, [])],
  ['the repository is excluded', ({ platform }) => list(platform, ['acme/*', '!acme/shop'])],
  ['the repository is listed again', ({ platform }) => list(platform, ['acme/*'])],
  ['Eph is taken down', say('closed')],
  ['things of nobody are made', makeThingsOfNobody],
  ['the machine is started by hand', byHand('stopped', startByHand)],
];

/** Acts that reverse each other, so that much happens while something is under way. */
const restless: readonly [Act, ...Act[]] = [
  ['nothing', () => undefined],
  ['push', ({ story }, pull) => void story.push(pull)],
  ['close', ({ story }, pull) => void story.close(pull)],
  ['reopen', reopen],
  ['close', ({ story }, pull) => void story.close(pull)],
];

const needsToWrite = /^(push|close|reopen|convert|mark|open|speak|merge|a fork|a bot)/;

const paces = [0, 500, 4_000, minutes(1), minutes(12), hours(1)] as const;
/** Waits that end while a machine boots, builds, or was just closed. */
const soon = [0, 4_000, 20_000, 40_000, minutes(1), minutes(2)] as const;

/** Opens what the seed opens, and then performs acts, each after some time. */
export async function live(sim: Simulation): Promise<void> {
  const { tape, story } = sim;
  const size = tape.choose(100);
  const isRestless = size % 5 === 4 || sim.faults.together;
  // A lost answer costs most while EC2 does not know what it has launched.
  if (sim.faults.together) act(sim, 'EC2 tells late', () => tellLate(sim));
  const pulls = size < 75 ? 1 : size < 98 ? 2 + tape.choose(3) : 6 + tape.choose(8);
  for (let opened = 0; opened < pulls; opened += 1) act(sim, 'open', () => void story.openPullRequest());
  const count = tape.choose(9) + (pulls > 1 ? pulls : 0);
  for (let done = 0; done < count; done += 1) {
    await pass(sim, (isRestless ? soon : paces)[tape.choose(paces.length)] ?? 0);
    const all = pullsOf(sim);
    const pull = all[tape.choose(all.length)];
    const [name, doing] = tape.pick(isRestless ? restless : acts);
    // An archived repository is read-only.
    const isRefused = story.repository.archived && needsToWrite.test(name);
    if (pull && !isRefused) act(sim, `${name} #${pull.number}`, () => doing(sim, pull));
  }
  await pass(sim, minutes(20));
}

/** Goes on until then, with the schedule's sweeps. */
export async function pass(sim: Simulation, time: number, compares = true): Promise<void> {
  const { clock } = sim.platform;
  const until = clock.now() + time;
  for (;;) {
    const due = Math.floor(clock.now() / minutes(15) + 1) * minutes(15);
    if (due > until) break;
    await sim.runUntil(due);
    sim.beginSweep('due');
    if (compares && due % hours(1) === 0) sim.beginSweep('compare');
  }
  await sim.runUntil(until);
}

/** Removes every obstacle. */
export function calmDown(sim: Simulation): void {
  const { platform, faults, history } = sim;
  history.add({ at: platform.clock.now(), kind: 'act', what: 'all is calm from now on' });
  faults.stop();
  platform.ec2.knobs.noCapacityIn.clear();
  platform.ec2.knobs.staleReadMs = 0;
  platform.rows.knobs.lag = 0;
  platform.webhooksFail = false;
  Object.assign(platform.hosts.habits, { build: 'ready', keepsServing: true, needs: undefined });
  giveAccess(sim);
  archive(sim, false);
  list(platform, ['acme/*']);
  platform.operator.paused = 'no';
  sim.beginSweep('wake-all');
}

export function act({ platform, history }: Simulation, what: string, doing: () => void): void {
  history.add({ at: platform.clock.now(), kind: 'act', what });
  doing();
}

/** A secret that must reach nothing but a machine, and things of others that Eph may not touch. */
export const SECRET = 'hunter2-hunter2';
export const STRANGERS = { tunnel: 'eph-test-2-7-7-0', record: 'office.eph.test' };

export function hold({ platform, story }: Simulation): void {
  platform.secrets.set(story.repository.id, { API_KEY: SECRET });
  const { machine } = platform.cloudflare;
  const { id } = machine.createTunnel({ name: STRANGERS.tunnel, config_src: 'cloudflare' });
  machine.createRecord({
    type: 'CNAME',
    name: STRANGERS.record,
    content: `${id}.cfargotunnel.com`,
    proxied: true,
    ttl: 1,
    comment: 'eph:test-2:7#7',
  });
}

function failWebhooks({ platform, history }: Simulation): void {
  history.marks.lost = true;
  platform.webhooksFail = true;
}

/** GitHub never sends a webhook for what is opened while the App has no access. */
function openOne(sim: Simulation): void {
  if (hasAccess(sim)) sim.story.openPullRequest();
}

function redeliverAny({ platform, tape }: Simulation): void {
  const { deliveries } = platform.github.state;
  const one = deliveries[tape.choose(deliveries.length)];
  if (one) platform.github.deliveries.redeliver(one.id);
}

function speakAtOnce({ story }: Simulation, pull: PullRequest): void {
  for (let times = 0; times < 4; times += 1) story.redeliver(pull);
  story.push(pull);
}

function byHand(state: string, doing: (sim: Simulation, ids: string[]) => void): Act[1] {
  return (sim) => {
    const { instances } = sim.platform.ec2.describeInstances({});
    const ids = instances.filter((one) => one.state === state).map(({ id }) => id);
    if (ids.length === 0) return;
    sim.history.marks.byHand = true;
    sim.history.marks.failures = true;
    doing(sim, ids);
  };
}

/** Does nothing where there is no capacity. */
function startByHand({ platform }: Simulation, ids: string[]): void {
  if (platform.ec2.knobs.noCapacityIn.size === 0) platform.ec2.startInstances(ids);
}

function deleteTunnels(sim: Simulation): void {
  const { machine } = sim.platform.cloudflare;
  const ours = machine.listTunnels({ is_deleted: 'false', include_prefix: 'eph-test-1' }).items;
  for (const { id } of ours) {
    sim.history.marks.byHand = true;
    // Otherwise its connector would come back at once.
    machine.editTunnel(id, { tunnel_secret: Buffer.alloc(32, 9).toString('base64') });
    machine.deleteConnections(id);
    machine.deleteTunnel(id);
  }
}

function merge(platform: TestPlatform, { repository, author }: Story, pull: PullRequest): void {
  if (pull.state === 'open') platform.github.pulls.merged(repository, pull, author, 'f'.repeat(40));
}

/** A merged pull request stays merged. */
function reopen({ story }: Simulation, pull: PullRequest): void {
  if (pull.mergedAt === null) story.reopen(pull);
}

function pushNothing({ story, platform }: Simulation, pull: PullRequest): void {
  platform.files.set(story.push(pull), NOTHING_TO_RUN);
}

/** Makes units as a run leaves them whose row is lost. */
export function makeThingsOfNobody({ platform, history }: Simulation): void {
  history.marks.byHand = true;
  const { machine } = platform.cloudflare;
  const mark = `77-${history.all().length}`;
  const { id } = machine.createTunnel({ name: `eph-test-${mark}-0`, config_src: 'cloudflare' });
  machine.createRecord({
    type: 'CNAME',
    name: `of-nobody-${mark}-pr.eph.test`,
    content: `${id}.cfargotunnel.com`,
    proxied: true,
    ttl: 1,
    comment: `eph:test:${mark.replace('-', '#')}`,
  });
}

/** Opens pull requests of people who may not write, and of programs; neither is deployed. */
function openFrom(sim: Simulation, whose: 'fork' | 'bot'): void {
  const { platform, story } = sim;
  if (!hasAccess(sim)) return;
  const name = `${whose}-${story.repository.pulls.size + 1}`;
  const stranger = platform.github.addAccount(name, 'User');
  if (whose === 'bot') {
    story.openPullRequest({ author: { ...stranger, type: 'Bot' } });
    return;
  }
  const parentId = story.repository.id;
  const from = platform.github.repositories.create(stranger, stranger, { name: 'shop', parentId });
  story.openPullRequest({ from, author: stranger });
}

function archive({ platform, story }: Simulation, archived: boolean): void {
  if (story.repository.archived === archived) return;
  platform.github.repositories.update(story.repository, story.author, { archived });
}

/** The operator's list, which each reconcile reads. */
function list({ config }: TestPlatform, patterns: string[]): void {
  config.REPOSITORIES.splice(0, Infinity, ...patterns);
}

export function loseAccess({ platform, story, history }: Simulation): void {
  history.marks.byHand = true;
  const { installation, author, repository } = story;
  platform.github.installations.removeRepositories(installation, author, [repository]);
}

export function giveAccess(sim: Simulation): void {
  const { installation, author, repository } = sim.story;
  if (hasAccess(sim)) return;
  sim.platform.github.installations.addRepositories(installation, author, [repository]);
}

export function hasAccess({ platform, story: { installation, repository } }: Simulation): boolean {
  return platform.github.installations.repositoriesOf(installation).some(({ id }) => id === repository.id);
}
