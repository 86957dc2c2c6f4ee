import { type FateName, fateNames, type MadeCall, type Plan, plannedFaults, type Stroke } from './plan.ts';
import { type Outcome, runStorm } from './run-seed.ts';
import type { Tale } from './tales.ts';
import { tales } from './tales.ts';
import { createTape } from './tape.ts';

/** Which of all plans: every so many-th with one stroke, and so many with two. */
export interface Sample {
  every: number;
  pairs: number;
}

/**
 * Each tale in fair weather, and with each fate of each call that it makes then. The random mode reaches what nobody
 * thought of; this one leaves out nothing that is near.
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

/** One call in so many: it costs as much as a tale. */
const PROBED = 4;

/** What becomes of this plan, and the calls that were made in its act. */
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

/** None of a tale that is broken in fair weather already: what goes wrong in it says nothing more. */
async function callsOf(tale: Tale): Promise<readonly MadeCall[]> {
  const { broken, made } = await runPlan({ tale, strokes: [] });
  return broken ? [] : made;
}

/**
 * A call that only reads leaves nothing behind: to die at it is to die after the call before it, a lost answer is a
 * refusal, and so is one that comes too late.
 */
function matters(fate: FateName, { writes, isFirst }: MadeCall): boolean {
  switch (fate) {
    case 'dies-before':
      // Otherwise it is the same as after the call before.
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

/** The second one strikes soon after the first, when what that left behind is being mended. */
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
