import type { SweepTask } from '../../lambdas/sweep/sweep.ts';
import type { PullRequest } from '../../local/github/github-state.ts';
import { hours, minutes } from '../fakes/story.ts';
import type { SimWorld } from './sim-world.ts';
import { pullsOf, UNUSABLE } from './truth.ts';

/** What people, vendors and machines do meanwhile. The first act is the mildest: nothing. */
type Act = readonly [name: string, act: (sim: SimWorld, pull: PullRequest) => void];

export const say =
  (pause: 'no' | 'launches' | 'everything'): Act[1] =>
  (sim) => {
    sim.world.operator.paused = pause;
    sim.beginSweep('wake-all');
  };
const begin =
  (task: SweepTask): Act[1] =>
  (sim) =>
    sim.beginSweep(task);
export const build =
  (habits: Partial<SimWorld['world']['hosts']['habits']>): Act[1] =>
  ({ world, history }) => {
    Object.assign(world.hosts.habits, habits);
    history.marks.failures ||= habits.build !== 'ready';
  };

const acts: readonly [Act, ...Act[]] = [
  ['nothing', () => undefined],
  ['push', ({ story }, pull) => void story.push(pull)],
  ['push', ({ story }, pull) => void story.push(pull)],
  ['push what cannot be used', ({ story }, pull) => void story.push(pull, UNUSABLE)],
  ['close', ({ story }, pull) => void story.close(pull)],
  ['close', ({ story }, pull) => void story.close(pull)],
  ['reopen', ({ story }, pull) => void story.reopen(pull)],
  ['reopen', ({ story }, pull) => void story.reopen(pull)],
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
  ['no capacity', ({ world }) => void world.ec2.knobs.noCapacityIn.add('t3.small')],
  ['capacity again', ({ world }) => world.ec2.knobs.noCapacityIn.clear()],
  ['EC2 tells late', ({ world }) => void Object.assign(world.ec2.knobs, { staleReadMs: minutes(2) })],
  ['indexes lag', ({ world }) => void Object.assign(world.rows.knobs, { lag: 30_000 })],
  ['the machine is stopped by hand', byHand('running', (sim, ids) => sim.world.ec2.stopInstances(ids))],
  ['the machine is ended by hand', byHand('running', (sim, ids) => sim.world.ec2.terminateInstances(ids))],
  ['the tunnel is deleted by hand', deleteTunnels],
  ['the clouds are compared', begin('compare')],
  ['the due are woken', begin('due')],
  ['webhooks fail', failWebhooks],
  ['webhooks go through', ({ world }) => void Object.assign(world, { webhooksFail: false })],
  ['access is lost', loseAccess],
  ['access comes back', giveAccess],
];

const paces = [0, 500, 4_000, minutes(1), minutes(12), hours(1)] as const;

/** Opens what the seed opens, and lets happen what may, each after a while. */
export async function live(sim: SimWorld): Promise<void> {
  const { tape, story } = sim;
  const size = tape.choose(100);
  const pulls = size < 75 ? 1 : size < 98 ? 2 + tape.choose(3) : 6 + tape.choose(8);
  for (let opened = 0; opened < pulls; opened += 1) act(sim, 'open', () => void story.openPullRequest());
  const count = tape.choose(9) + (pulls > 1 ? pulls : 0);
  for (let done = 0; done < count; done += 1) {
    await pass(sim, paces[tape.choose(paces.length)] ?? 0);
    const all = pullsOf(sim);
    const pull = all[tape.choose(all.length)];
    const [name, doing] = acts[tape.choose(acts.length)] ?? acts[0];
    if (pull) act(sim, `${name} #${pull.number}`, () => doing(sim, pull));
  }
  await pass(sim, minutes(20));
}

/** Until then with the schedule's sweeps. */
export async function pass(sim: SimWorld, time: number, compares = true): Promise<void> {
  const { clock } = sim.world;
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

/** Every obstacle goes. */
export function calmDown(sim: SimWorld): void {
  const { world, faults, history } = sim;
  history.add({ at: world.clock.now(), kind: 'act', what: 'all is calm from now on' });
  faults.stop();
  world.ec2.knobs.noCapacityIn.clear();
  world.ec2.knobs.staleReadMs = 0;
  world.rows.knobs.lag = 0;
  world.webhooksFail = false;
  Object.assign(world.hosts.habits, { build: 'ready', keepsServing: true, needs: undefined });
  giveAccess(sim);
  world.operator.paused = 'no';
  sim.beginSweep('wake-all');
}

export function act({ world, history }: SimWorld, what: string, doing: () => void): void {
  history.add({ at: world.clock.now(), kind: 'act', what });
  doing();
}

/** A secret that must come no further than a machine, and things of others that nobody may touch. */
export const SECRET = 'hunter2-hunter2';
export const STRANGERS = { tunnel: 'eph-test-2-7-7-0', record: 'office.eph.test' };

export function hold({ world, story }: SimWorld): void {
  world.secrets.set(story.repository.id, { API_KEY: SECRET });
  const { machine } = world.cloudflare;
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

function failWebhooks({ world, history }: SimWorld): void {
  history.marks.lost = true;
  world.webhooksFail = true;
}

/** Of what is opened while the App has no access, GitHub tells nobody, ever. */
function openOne(sim: SimWorld): void {
  if (hasAccess(sim)) sim.story.openPullRequest();
}

function redeliverAny({ world, tape }: SimWorld): void {
  const { deliveries } = world.github.state;
  const one = deliveries[tape.choose(deliveries.length)];
  if (one) world.github.deliveries.redeliver(one.id);
}

function speakAtOnce({ story }: SimWorld, pull: PullRequest): void {
  for (let times = 0; times < 4; times += 1) story.redeliver(pull);
  story.push(pull);
}

function byHand(state: string, doing: (sim: SimWorld, ids: string[]) => void): Act[1] {
  return (sim) => {
    const { instances } = sim.world.ec2.describeInstances({});
    const ids = instances.filter((one) => one.state === state).map(({ id }) => id);
    if (ids.length === 0) return;
    sim.history.marks.byHand = true;
    sim.history.marks.failures = true;
    doing(sim, ids);
  };
}

function deleteTunnels(sim: SimWorld): void {
  const { machine } = sim.world.cloudflare;
  const ours = machine.listTunnels({ is_deleted: 'false', include_prefix: 'eph-test-1' }).items;
  for (const { id } of ours) {
    sim.history.marks.byHand = true;
    // Its connector would come back at once.
    machine.editTunnel(id, { tunnel_secret: Buffer.alloc(32, 9).toString('base64') });
    machine.deleteConnections(id);
    machine.deleteTunnel(id);
  }
}

export function loseAccess({ world, story, history }: SimWorld): void {
  history.marks.byHand = true;
  const { installation, author, repository } = story;
  world.github.installations.removeRepositories(installation, author, [repository]);
}

export function giveAccess(sim: SimWorld): void {
  const { installation, author, repository } = sim.story;
  if (hasAccess(sim)) return;
  sim.world.github.installations.addRepositories(installation, author, [repository]);
}

export function hasAccess({ world, story: { installation, repository } }: SimWorld): boolean {
  return world.github.installations.repositoriesOf(installation).some(({ id }) => id === repository.id);
}
