import { type FateName, fateNames, type MadeCall, type Plan, plannedFaults, type Stroke } from './plan.ts';
import { type Outcome, runStorm } from './run-seed.ts';
import type { Tale } from './tales.ts';
import { tales } from './tales.ts';
import { createTape } from './tape.ts';

/** A part of all plans: every n-th with one stroke, and a number of those with two. */
export interface Sample {
  every: number;
  pairs: number;
}

/**
 * Each tale without faults, and with each fate of each call that it makes then. The random mode reaches cases that
 * nobody thought of; this mode leaves out no simple case.
 */
export async function enumerate({ every, pairs }: Sample): Promise<Plan[]> {
  const told = await inTurn(tales, async (tale) => ({ tale, calls: await callsOf(tale) }));
  const fair = tales.map((tale): Plan => ({ tale, strokes: [] }));
  const singles = told.flatMap(({ tale, calls }) =>
    calls.flatMap((call, index) =>
      fateNames
        .filter((fate) => matters(fate, call))
        .map((fate): Plan => ({ tale, strokes: [{ call: index + 1, fate }] })),
    ),
  );
  return [...fair, ...singles.filter((_, index) => index % every === 0), ...pairsOf(singles, pairs)];
}

/** Only each n-th call is probed, because a probe costs as much as a tale. */
const PROBED = 4;

/** The outcome of this plan, and the calls that were made in its act. */
export async function runPlan(plan: Plan): Promise<Outcome & { made: readonly MadeCall[] }> {
  const faults = plannedFaults(plan);
  const { tale, strokes } = plan;
  // The first draw of a tape is for how long disks are kept; all others are the mildest.
  const source = { draws: tale.keepsDisk ? [2] : [] };
  const outcome = await runStorm({
    source,
    makeFaults: () => faults,
    async storm(sim) {
      const pull = await tale.prepare(sim);
      faults.begin();
      await tale.act(sim, pull);
    },
    probes: () => (strokes[0]?.call ?? 0) % PROBED === 0,
  });
  return { ...outcome, made: faults.made() };
}

/** No calls for a tale that is broken without faults already, because faults in it show nothing more. */
async function callsOf(tale: Tale): Promise<readonly MadeCall[]> {
  const { broken, made } = await runPlan({ tale, strokes: [] });
  return broken ? [] : made;
}

/**
 * A call that only reads changes nothing: a death at it equals a death after the call before it, and a lost answer
 * equals a refusal, as does an answer that comes too late.
 */
function matters(fate: FateName, { writes, isFirst }: MadeCall): boolean {
  switch (fate) {
    case 'dies-before':
      // Otherwise it equals a death after the call before.
      return isFirst;
    case 'fails-before':
    case 'slow':
      return true;
    case 'dies-after':
    case 'fails-after':
    case 'late-gave-up':
    case 'late-dead':
      return writes;
    default:
      throw new Error(`unhandled fate: ${fate satisfies never}`);
  }
}

/** The second stroke comes soon after the first, during the repair of what that left. */
function pairsOf(singles: readonly Plan[], count: number): Plan[] {
  const tape = createTape({ seed: 1 });
  const SOON = 60;
  return Array.from({ length: count }, () => singles[tape.choose(singles.length)])
    .filter((plan) => plan !== undefined)
    .map(({ tale, strokes }) => {
      const first = strokes[0]?.call ?? 0;
      const second: Stroke = { call: first + 1 + tape.choose(SOON), fate: tape.pick(fateNames) };
      return { tale, strokes: [...strokes, second] };
    });
}

async function inTurn<T, R>(list: readonly T[], work: (one: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (const one of list) results.push(await work(one));
  return results;
}
