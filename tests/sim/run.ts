import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import process from 'node:process';
import { runSeed } from './run-seed.ts';
import { runSeeds } from './run-seeds.ts';
import { shrink } from './shrink.ts';
import { tellStory } from './tell-story.ts';

/**
 * `make sim`: many seeds (SEEDS=10000 FIRST_SEED=1), one seed (SEED=7), or a tape (TAPE=tests/sim/tapes/x.json).
 * Exits with 1 if one is broken; the last line says how to see it again.
 */
const { SEEDS, FIRST_SEED, SEED, TAPE } = process.env;

if (TAPE) await tellTape(TAPE);
else if (SEED) await tellSeed(Number(SEED));
else await tellMany(Number(FIRST_SEED ?? 1), Number(SEEDS ?? 10_000));

async function tellTape(path: string): Promise<void> {
  const { draws } = JSON.parse(readFileSync(path, 'utf8')) as { draws: number[] };
  const outcome = await runSeed({ draws });
  console.log(tellStory(outcome).join('\n'));
  process.exitCode = outcome.broken ? 1 : 0;
  console.log(`make sim TAPE=${path}`);
}

async function tellSeed(seed: number): Promise<void> {
  const outcome = await runSeed({ seed });
  if (!outcome.broken) {
    console.log(tellStory(outcome).join('\n'));
    return;
  }
  const short = await shrink(outcome, 60_000, performance.now.bind(performance));
  console.log(tellStory(short).join('\n'));
  console.log(JSON.stringify({ node: process.version, broken: short.broken, draws: short.draws }));
  console.log(`make sim SEED=${seed}`);
  process.exitCode = 1;
}

async function tellMany(first: number, count: number): Promise<void> {
  const startedAt = performance.now();
  const report = await runSeeds({ first, count, threads: availableParallelism() });
  const seconds = (performance.now() - startedAt) / 1_000;
  console.log(
    `${report.seeds} seeds, ${report.calls} calls, ${seconds.toFixed(1)} s, ` +
      `${Math.round(report.calls / report.cpuSeconds)} calls a CPU second, ` +
      `${report.reached} kinds of mishap, ${report.unrepeated.length} of ${report.repeated} not the same twice`,
  );
  for (const [title, times] of report.met) console.log(`known, ${times} times: ${title}`);
  for (const { seed, invariant, why } of report.broken) console.log(`seed ${seed}: ${invariant}: ${why}`);
  const [worst] = report.broken;
  const seed = worst?.seed ?? report.unrepeated[0];
  if (seed === undefined) return;
  process.exitCode = 1;
  console.log(`Node ${process.version}: make sim SEED=${seed}`);
}
