import { hours, minutes } from '../fakes/story.ts';
import { createFaults, type Faults } from './faults.ts';
import { guarded } from './guard.ts';
import type { Happening } from './history.ts';
import { atRest, pending, uncompared } from './invariants/at-rest.ts';
import type { AtRest } from './invariants/invariant.ts';
import { Broken, createJudge } from './judge.ts';
import { calmDown, hold, live, pass } from './people.ts';
import { type Cost, probe } from './probe.ts';
import { createSimulation, type Simulation } from './simulation.ts';
import type { Tape, TapeSource } from './tape.ts';

const UNFORESEEN = 'I0 nothing unforeseen happens';

export interface Outcome {
  broken: { invariant: string; why: string } | undefined;
  calls: number;
  /** A digest that is the same for the same run. */
  hash(): string;
  draws: readonly number[];
  happenings: readonly Happening[];
  /** Phases and rules that rows were in. */
  shown: ReadonlySet<string>;
}

/** All that a seed draws. */
export function runSeed(source: TapeSource): Promise<Outcome> {
  // It is drawn at the end, and is "no" after the end of a tape.
  return runStorm({ source, makeFaults: createFaults, storm: live, probes: ({ tape }) => tape.chance(0.25) });
}

/** The acts before all is calm. */
export interface Course {
  source: TapeSource;
  makeFaults(tape: Tape): Faults;
  storm(sim: Simulation): Promise<void>;
  /** True where one more pull request is opened at rest. */
  probes(sim: Simulation): boolean;
}

/** One story: a storm, then calm without garbage collections, then with them, and the checks at rest. */
export function runStorm(course: Course): Promise<Outcome> {
  return guarded(async () => {
    const sim = createSimulation(course.source, createJudge, course.makeFaults);
    const broken = await play(sim, course).then(
      () => undefined,
      (error: unknown) => {
        if (error instanceof Broken) return { invariant: error.invariant, why: error.why };
        return {
          invariant: UNFORESEEN,
          why: String(error instanceof Error ? error.stack : error),
        };
      },
    );
    const { history, schedule, tape } = sim;
    if (broken) history.add({ at: sim.platform.clock.now(), kind: 'broken', ...broken });
    return {
      broken,
      calls: schedule.calls(),
      hash: history.hash,
      draws: tape.drawn(),
      happenings: history.all(),
      shown: history.marks.shown,
    };
  });
}

async function play(sim: Simulation, { storm, probes }: Course): Promise<void> {
  hold(sim);
  await storm(sim);
  // Without garbage collection and pauses, a message that has no effect by now was lost by the code.
  sim.faults.stop();
  await pass(sim, minutes(40), false);
  judge(sim, uncompared);
  calmDown(sim);
  // This is as long as the longest lease, deadline and back-off that the storm left.
  await pass(sim, hours(1), false);
  await comeToRest(sim);
  judge(sim, atRest);
  if (probes(sim)) await judgeProbe(sim);
}

const undisturbed = new Map<number, Cost>();

/** The cost of a pull request that is opened where nothing else ever happened. */
async function undisturbedCost({ config }: Simulation['platform']): Promise<Cost> {
  const keeps = config.TERMINATE_AFTER_SECONDS;
  const known = undisturbed.get(keeps);
  if (known) return known;
  const sim = createSimulation({ draws: keeps > 0 ? [2] : [] }, createJudge);
  hold(sim);
  const cost = await probe(sim);
  undisturbed.set(keeps, cost);
  return cost;
}

async function judgeProbe(sim: Simulation): Promise<void> {
  const usual = JSON.stringify(await undisturbedCost(sim.platform));
  const now = JSON.stringify(await probe(sim));
  const id = 'I25 one more pull request takes what it always takes';
  judge(sim, [{ id, broken: () => (now === usual ? undefined : `it took ${now}, not ${usual}`) }]);
}

function judge(sim: Simulation, invariants: readonly AtRest[]): void {
  for (const { id, broken } of invariants) {
    const why = broken(sim);
    if (why !== undefined) throw new Broken(id, why);
  }
}

/** At least two garbage collections; an orphaned machine is terminated after a day. */
async function comeToRest(sim: Simulation): Promise<void> {
  for (let hour = 0; hour < 30; hour += 1) {
    await pass(sim, hours(1));
    await pass(sim, minutes(1));
    if (hour >= 1 && pending(sim) === undefined) return;
  }
}
