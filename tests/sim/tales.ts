import type { PullRequest } from '../../local/github/github-state.ts';
import { hours, minutes } from '../fakes/story.ts';
import { act, build, giveAccess, loseAccess, makeThingsOfNobody, pass, say, tellLate } from './people.ts';
import type { Simulation } from './simulation.ts';

/** A short story, which runs once without faults, and once for each thing that may go wrong in it. */
export interface Tale {
  /** Has no blanks, because it is in the command that runs a plan again. */
  name: string;
  /** True where a closed pull request's disk is kept for a day. */
  keepsDisk: boolean;
  /** The part in which nothing goes wrong. */
  prepare(sim: Simulation): Promise<PullRequest>;
  act(sim: Simulation, pull: PullRequest): Promise<void>;
}

const seconds = (count: number) => count * 1_000;

async function open(sim: Simulation): Promise<PullRequest> {
  const pull = sim.story.openPullRequest();
  act(sim, 'open', () => undefined);
  return pull;
}

async function ready(sim: Simulation): Promise<PullRequest> {
  const pull = await open(sim);
  await pass(sim, minutes(5));
  return pull;
}

/** Leaves units that no row knows, old enough to be removed at the second sighting. */
async function leaveThingsOfNobody(sim: Simulation): Promise<PullRequest> {
  const pull = await ready(sim);
  makeThingsOfNobody(sim);
  await pass(sim, hours(1));
  return pull;
}

export const tales: readonly Tale[] = [
  {
    name: 'open-push-close',
    keepsDisk: false,
    prepare: open,
    async act(sim, pull) {
      await pass(sim, seconds(50));
      act(sim, 'push', () => void sim.story.push(pull));
      await pass(sim, minutes(4));
      act(sim, 'close', () => sim.story.close(pull));
      await pass(sim, minutes(3));
    },
  },
  {
    name: 'close-reopen',
    keepsDisk: true,
    prepare: ready,
    async act(sim, pull) {
      act(sim, 'close', () => sim.story.close(pull));
      await pass(sim, minutes(2));
      act(sim, 'reopen', () => sim.story.reopen(pull));
      await pass(sim, minutes(4));
    },
  },
  {
    name: 'close-at-launch',
    keepsDisk: true,
    prepare: open,
    async act(sim, pull) {
      await pass(sim, seconds(2));
      act(sim, 'close', () => sim.story.close(pull));
      await pass(sim, minutes(3));
    },
  },
  {
    name: 'close-at-launch-told-late',
    keepsDisk: false,
    async prepare(sim) {
      const pull = await open(sim);
      act(sim, 'EC2 tells late', () => tellLate(sim));
      return pull;
    },
    async act(sim, pull) {
      await pass(sim, seconds(2));
      act(sim, 'close', () => sim.story.close(pull));
      await pass(sim, minutes(6));
    },
  },
  {
    name: 'day-is-over',
    keepsDisk: true,
    async prepare(sim) {
      const pull = await ready(sim);
      act(sim, 'close', () => sim.story.close(pull));
      await pass(sim, hours(24), false);
      return pull;
    },
    act: (sim) => pass(sim, minutes(30), false),
  },
  {
    name: 'push-fails',
    keepsDisk: false,
    prepare: ready,
    async act(sim, pull) {
      act(sim, 'builds fail', () => build({ build: 'failed' })(sim, pull));
      act(sim, 'push', () => void sim.story.push(pull));
      await pass(sim, minutes(2));
      act(sim, 'builds work', () => build({ build: 'ready' })(sim, pull));
      act(sim, 'push', () => void sim.story.push(pull));
      await pass(sim, minutes(2));
    },
  },
  {
    name: 'pause-resume',
    keepsDisk: false,
    prepare: ready,
    async act(sim, pull) {
      act(sim, 'pause everything', () => say('everything')(sim, pull));
      await pass(sim, minutes(3));
      act(sim, 'resume', () => say('no')(sim, pull));
      await pass(sim, minutes(3));
    },
  },
  {
    name: 'lose-access',
    keepsDisk: false,
    prepare: ready,
    async act(sim) {
      act(sim, 'access is lost', () => loseAccess(sim));
      await pass(sim, minutes(5));
      act(sim, 'access comes back', () => giveAccess(sim));
      await pass(sim, minutes(5));
    },
  },
  {
    name: 'things-of-nobody',
    keepsDisk: false,
    prepare: leaveThingsOfNobody,
    act: (sim) => pass(sim, hours(1)),
  },
];
