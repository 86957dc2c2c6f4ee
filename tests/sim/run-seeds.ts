import process from 'node:process';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { enumerate, runPlan, type Sample } from './enumerate.ts';
import { writePlan } from './plan.ts';
import { addReach, mergeReach, type Reach } from './reach.ts';
import { type Outcome, runSeed } from './run-seed.ts';

export interface Seeds {
  first: number;
  count: number;
  threads: number;
  /** True: ends with the first broken run. */
  untilBroken?: boolean;
  /** The n-th of these is run instead of seeds. */
  tapes?: readonly (readonly number[])[];
  /** These plans are run instead of seeds. */
  plans?: Sample;
}

export interface Report {
  seeds: number;
  calls: number;
  /** The processor time of its threads, which other work on the machine does not make longer. */
  cpuSeconds: number;
  /** `again`: the parameters with which `make sim` repeats it. */
  broken: { seed: number; again: string; invariant: string; why: string }[];
  /** The seeds that were run twice, and those of them that differed. */
  repeated: number;
  unrepeated: string[];
  /** The cases that were reached, and in how many runs. */
  reach: [string, number][];
}

/** Each n-th seed is run twice. */
const REPEAT = 20;

/** A run makes much garbage at once: with a larger heap, memory is collected less often. */
const YOUNG = { maxYoungGenerationSizeMb: 96 };

const THREAD = 'runs seeds';

/** Each thread takes every n-th seed; a run guards the clock and timers of the whole thread. */
export async function runSeeds(seeds: Seeds): Promise<Report> {
  const parts = await Promise.all(
    Array.from({ length: seeds.threads }, (_, thread) => inThread({ ...seeds, thread })),
  );
  const sum = (of: (part: Report) => number) => parts.reduce((total, part) => total + of(part), 0);
  return {
    seeds: sum((part) => part.seeds),
    calls: sum((part) => part.calls),
    cpuSeconds: sum((part) => part.cpuSeconds),
    broken: parts.flatMap(({ broken }) => broken).sort((a, b) => a.seed - b.seed),
    repeated: sum((part) => part.repeated),
    unrepeated: parts.flatMap(({ unrepeated }) => unrepeated),
    reach: [...mergeReach(parts.flatMap(({ reach }) => reach))],
  };
}

type Part = Seeds & { thread: number };

/** The threads are kept for later seeds, because each needs seconds to load and compile the code. */
const waiting: Worker[] = [];

async function inThread(part: Part): Promise<Report> {
  const worker = waiting.pop() ?? startThread();
  worker.ref();
  const report = await new Promise<Report>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.postMessage(part);
  });
  // Some listeners are the worker's own and must stay, or no message comes from it any more.
  worker.removeAllListeners('error');
  // An idle thread does not keep the process running.
  worker.unref();
  waiting.push(worker);
  return report;
}

function startThread(): Worker {
  return new Worker(new URL(import.meta.url), { workerData: THREAD, execArgv: [], resourceLimits: YOUNG });
}

export async function endThreads(): Promise<void> {
  await Promise.all(waiting.splice(0).map((worker) => worker.terminate()));
}

interface Tellable {
  again: string;
  run(): Promise<Outcome>;
}

/** The run for each number, and how many numbers there are. */
async function toRun({
  first,
  count,
  tapes,
  plans,
}: Part): Promise<{ end: number; of(seed: number): Tellable }> {
  if (plans) {
    const all = (await enumerate(plans)).map((plan) => ({
      again: `PLAN=${writePlan(plan)}`,
      run: () => runPlan(plan),
    }));
    const nothing = { again: '', run: () => Promise.reject(new Error('there is no such plan')) };
    return { end: all.length, of: (index) => all[index] ?? nothing };
  }
  const sourceOf = (seed: number) => (tapes ? { draws: tapes[seed] ?? [] } : { seed });
  return {
    end: first + count,
    of: (seed) => ({ again: `SEED=${seed}`, run: () => runSeed(sourceOf(seed)) }),
  };
}

async function runPart(part: Part): Promise<Report> {
  const { first, threads, thread, untilBroken } = part;
  const startedAt = process.threadCpuUsage();
  const reach: Reach = new Map();
  const report: Report = {
    seeds: 0,
    calls: 0,
    cpuSeconds: 0,
    broken: [],
    repeated: 0,
    unrepeated: [],
    reach: [],
  };
  const { end, of } = await toRun(part);
  for (let seed = first + thread; seed < end; seed += threads) {
    const { again, run } = of(seed);
    const outcome = await run();
    report.seeds += 1;
    report.calls += outcome.calls;
    if (outcome.broken) report.broken.push({ seed, again, ...outcome.broken });
    addReach(reach, outcome);
    if (seed % REPEAT === 0) {
      report.repeated += 1;
      const twice = await run();
      report.calls += twice.calls;
      if (twice.hash() !== outcome.hash()) report.unrepeated.push(again);
    }
    if (untilBroken && outcome.broken) break;
  }
  return {
    ...report,
    cpuSeconds: secondsOf(process.threadCpuUsage(startedAt)),
    reach: [...reach],
  };
}

function secondsOf({ user, system }: NodeJS.CpuUsage): number {
  return (user + system) / 1_000_000;
}

if (!isMainThread && workerData === THREAD) {
  const port = parentPort;
  port?.on('message', async (part: Part) => port.postMessage(await runPart(part)));
}
