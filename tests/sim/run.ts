import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import process from 'node:process';
import { runPlan } from './enumerate.ts';
import { readPlan } from './plan.ts';
import { printStory } from './print-story.ts';
import { printReach, unreached } from './reach.ts';
import { type Outcome, runSeed } from './run-seed.ts';
import { type Report, runSeeds } from './run-seeds.ts';
import { shrink } from './shrink.ts';

/**
 * `make sim`: every plan, and many seeds (SEEDS=10000 FIRST_SEED=1); or the story of one seed (SEED=7), of a tape
 * (TAPE=tests/sim/tapes/x.json) or of a plan (PLAN=close-reopen@17:dies-after). Exits with 1 if one is broken; the last
 * line says how to run that one again.
 */
const { SEEDS, FIRST_SEED, SEED, TAPE, PLAN } = process.env;

/** All plans, and as many pairs. */
const PLANS = { every: 1, pairs: 500 };
/** This number of seeds must reach all that is declared. */
const MANY = 10_000;

if (TAPE) await printTape(TAPE);
else if (PLAN) tell(await runPlan(readPlan(PLAN)), `PLAN=${PLAN}`);
else if (SEED) await printSeed(Number(SEED));
else await printMany(Number(FIRST_SEED ?? 1), Number(SEEDS ?? 10_000));

async function printTape(path: string): Promise<void> {
  const { draws } = JSON.parse(readFileSync(path, 'utf8')) as { draws: number[] };
  tell(await runSeed({ draws }), `TAPE=${path}`);
}

function tell(outcome: Outcome, again: string): void {
  console.log(printStory(outcome).join('\n'));
  process.exitCode = outcome.broken ? 1 : 0;
  console.log(`make sim ${again}`);
}

async function printSeed(seed: number): Promise<void> {
  const outcome = await runSeed({ seed });
  if (!outcome.broken) {
    console.log(printStory(outcome).join('\n'));
    return;
  }
  const short = await shrink(outcome, 60_000, performance.now.bind(performance));
  console.log(printStory(short).join('\n'));
  console.log(JSON.stringify({ node: process.version, broken: short.broken, draws: short.draws }));
  console.log(`make sim SEED=${seed}`);
  process.exitCode = 1;
}

async function printMany(first: number, count: number): Promise<void> {
  const threads = availableParallelism();
  report('plans', await runSeeds({ first: 0, count: 0, threads, plans: PLANS }));
  const seeds = await runSeeds({ first, count, threads });
  report('seeds', seeds);
  const reach = new Map(seeds.reach);
  for (const line of printReach(reach)) console.log(line);
  const never = unreached(reach);
  for (const mark of never) console.log(`never: ${mark}`);
  if (never.length > 0 && count >= MANY) process.exitCode = 1;
}

function report(what: 'plans' | 'seeds', report: Report): void {
  console.log(
    `${report.seeds} ${what}, ${report.calls} calls, ${report.cpuSeconds.toFixed(1)} CPU seconds, ` +
      `${Math.round(report.calls / report.cpuSeconds)} calls a CPU second, ` +
      `${report.reach.filter(([mark]) => mark.includes(': ')).length} kinds of mishap, ${report.unrepeated.length} of ${report.repeated} not the same twice`,
  );
  for (const { again, invariant, why } of report.broken) console.log(`${again}: ${invariant}: ${why}`);
  for (const again of report.unrepeated) console.log(`not the same twice: ${again}`);
  const again = report.broken[0]?.again ?? report.unrepeated[0];
  if (again === undefined) return;
  process.exitCode = 1;
  console.log(`Node ${process.version}: make sim ${again}`);
}
