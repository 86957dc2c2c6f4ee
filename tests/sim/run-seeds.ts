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
  /** Ends with the first that is broken. */
  untilBroken?: boolean;
  /** Instead of seeds: the n-th of these. */
  tapes?: readonly (readonly number[])[];
  /** Instead of seeds: these plans. */
  plans?: Sample;
}

export interface Report {
  seeds: number;
  calls: number;
  /** Of its threads: other work on the machine makes a run longer, and not these. */
  cpuSeconds: number;
  /** `again`: how `make sim` tells it. */
  broken: { seed: number; again: string; invariant: string; why: string }[];
  /** Seeds that were run twice, and those of them that were not the same. */
  repeated: number;
  unrepeated: string[];
  /** What was met, and in how many runs. */
  reach: [string, number][];
}

/** One in so many is run twice. */
const REPEAT = 20;

/** A run leaves much behind at once: with more room than usual, memory is collected less often. */
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

/** They wait for more to run: to load the code, and to have it compiled well, takes each of them seconds. */
const waiting: Worker[] = [];

async function inThread(part: Part): Promise<Report> {
  const worker = waiting.pop() ?? startThread();
  worker.ref();
  const report = await new Promise<Report>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.postMessage(part);
  });
  // Not all listeners: some are the worker's own, and without them nothing comes from it any more.
  worker.removeAllListeners('error');
  // Nobody waits for one that has nothing to do.
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

/** What is run under each number, and how many of them there are. */
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
