import { minutes } from '../fakes/story.ts';
import type { Simulation } from './simulation.ts';

/** The cost of the life of one more pull request. */
export interface Cost {
  calls: number;
  /** The calls from the opening to the push, from the push to the close, and from the close on. */
  millis: readonly number[];
}

/** A pull request is opened, pushed to during its build, and closed, between two sweeps, by new processes. */
export async function probe(sim: Simulation): Promise<Cost> {
  const { story, history, platform } = sim;
  const { clock } = platform;
  sim.renew();
  await sim.runUntil(Math.ceil(clock.now() / minutes(15)) * minutes(15) + minutes(1));
  const act = (what: string): number => {
    history.add({ at: clock.now(), kind: 'act', what });
    return clock.now();
  };
  const opened = act('open one more');
  const pull = story.openPullRequest();
  await sim.runUntil(opened + 50_000);
  const pushed = act(`push #${pull.number}`);
  story.push(pull);
  await sim.runUntil(pushed + minutes(5));
  const closed = act(`close #${pull.number}`);
  story.close(pull);
  await sim.runUntil(closed + minutes(6));
  return costOf(sim, story.key(pull), [opened, pushed, closed, clock.now()]);
}

/** The calls of all runs that concern it. */
function costOf({ history }: Simulation, key: string, times: readonly number[]): Cost {
  const [begin = 0] = times;
  const effects = history.all().flatMap((one) => (one.kind === 'effect' && one.at >= begin ? [one] : []));
  const runs = new Set(effects.filter(({ about }) => about === key).map(({ run }) => run));
  const mine = effects.filter(({ run }) => runs.has(run));
  const millis = times.slice(0, -1).map((from, index) => {
    const until = times[index + 1] ?? from;
    return Math.max(from, ...mine.map(({ at }) => at).filter((at) => at < until)) - from;
  });
  return { calls: mine.length, millis };
}
