import process from 'node:process';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { met } from './known-defects.ts';
import { runSeed } from './run-seed.ts';

export interface Seeds {
  first: number;
  count: number;
  threads: number;
  /** Ends with the first that is broken. */
  untilBroken?: boolean;
  /** Instead of seeds: the n-th of these. */
  tapes?: readonly (readonly number[])[];
}

export interface Report {
  seeds: number;
  calls: number;
  /** Of its threads: other work on the machine makes a run longer, and not these. */
  cpuSeconds: number;
  broken: { seed: number; invariant: string; why: string }[];
  /** Seeds that were run twice, and those of them that were not the same. */
  repeated: number;
  unrepeated: number[];
  /** Known defects, and how often they were met. */
  met: [string, number][];
  /** Different calls to which different things happened. */
  reached: number;
  mishaps: string[];
}

/** One in so many is run twice. */
const REPEAT = 20;

/** A run leaves much behind at once: with more room than usual, memory is collected less often. */
const YOUNG = { maxYoungGenerationSizeMb: 96 };

/** Each thread takes every n-th seed; a run guards the clock and timers of the whole thread. */
export async function runSeeds(seeds: Seeds): Promise<Report> {
  const parts = await Promise.all(
    Array.from({ length: seeds.threads }, (_, thread) => inThread({ ...seeds, thread })),
  );
  const mishaps = [...new Set(parts.flatMap((part) => part.mishaps))];
  const known = new Map<string, number>();
  for (const [title, times] of parts.flatMap((part) => part.met))
    known.set(title, (known.get(title) ?? 0) + times);
  const sum = (of: (part: Report) => number) => parts.reduce((total, part) => total + of(part), 0);
  return {
    seeds: sum((part) => part.seeds),
    calls: sum((part) => part.calls),
    cpuSeconds: sum((part) => part.cpuSeconds),
    broken: parts.flatMap(({ broken }) => broken).sort((a, b) => a.seed - b.seed),
    repeated: sum((part) => part.repeated),
    unrepeated: parts.flatMap(({ unrepeated }) => unrepeated),
    met: [...known],
    reached: mishaps.length,
    mishaps,
  };
}

type Part = Seeds & { thread: number };

function inThread(part: Part): Promise<Report> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), {
      workerData: part,
      execArgv: [],
      resourceLimits: YOUNG,
    });
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

async function runPart({ first, count, threads, thread, untilBroken, tapes }: Part): Promise<Report> {
  const startedAt = process.threadCpuUsage();
  const mishaps = new Set<string>();
  const report: Report = {
    seeds: 0,
    calls: 0,
    cpuSeconds: 0,
    broken: [],
    repeated: 0,
    unrepeated: [],
    met: [],
    reached: 0,
    mishaps: [],
  };
  for (let seed = first + thread; seed < first + count; seed += threads) {
    const source = tapes ? { draws: tapes[seed] ?? [] } : { seed };
    const outcome = await runSeed(source);
    report.seeds += 1;
    report.calls += outcome.calls;
    if (outcome.broken) report.broken.push({ seed, ...outcome.broken });
    for (const one of outcome.happenings) {
      if (one.kind === 'fate') mishaps.add(`${one.call}: ${one.fate.replace(/ by [\d.]+ s/, '')}`);
    }
    if (seed % REPEAT === 0) {
      report.repeated += 1;
      const again = await runSeed(source);
      report.calls += again.calls;
      if (again.hash() !== outcome.hash()) report.unrepeated.push(seed);
    }
    if (untilBroken && outcome.broken) break;
  }
  return {
    ...report,
    cpuSeconds: secondsOf(process.threadCpuUsage(startedAt)),
    met: [...met],
    mishaps: [...mishaps],
    reached: mishaps.size,
  };
}

function secondsOf({ user, system }: NodeJS.CpuUsage): number {
  return (user + system) / 1_000_000;
}

function isPart(data: unknown): data is Part {
  return typeof data === 'object' && data !== null && 'thread' in data && 'first' in data;
}

if (!isMainThread && isPart(workerData)) {
  parentPort?.postMessage(await runPart(workerData));
}
