import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleWorker } from '../local/build-product.ts';
import { type Figure, printTable } from './bench/figures.ts';
import { measureCalls } from './bench/measure-calls.ts';
import { measureFunctions } from './bench/measure-functions.ts';
import { measurePullRequests } from './bench/measure-pull-requests.ts';
import { measureSweep } from './bench/measure-sweep.ts';
import { measureWorker } from './bench/measure-worker.ts';

/**
 * `make bench`: the numbers of this machine beside the bars of the design, in one table. It measures and does
 * not judge: the exit code is 0 whatever the figures are. Needs neither root nor Docker.
 *
 *   N=200 make bench            so many pull requests at once (20)
 *   ONLY=worker,calls           some of worker, functions, pull-requests, calls, sweep
 *
 * The head of each file in `dev/bench/` says how it measures. For all of them: the product is what a deploy would
 * upload (template, bundles), and the vendors are the stand-ins of `local/`, which answer at once and share this
 * machine's processors with the measured code. So times are an upper bound of the product's own work here, and say
 * nothing about the vendors' times.
 */
const root = join(import.meta.dirname, '..');
const dir = join(root, '.local/bench');
const count = Number(process.env['N'] ?? 20);
const chosen = process.env['ONLY']?.split(',');

await mkdir(dir, { recursive: true });
const temporary = await mkdtemp(join(tmpdir(), 'eph-bench-'));
const figures: Figure[] = [];
try {
  const bundle = await bundleWorker(join(dir, 'cache'), console.error);
  const [processor] = cpus();
  console.error(`${cpus().length} x ${processor?.model.trim()}, Node ${process.version}, load ${load()}`);
  const parts: Record<string, () => Promise<Figure[]>> = {
    worker: () => measureWorker(temporary, bundle),
    functions: () => measureFunctions(temporary),
    'pull-requests': () => measurePullRequests(dir, count),
    calls: () => measureCalls(dir),
    sweep: () => measureSweep(dir),
  };
  for (const [name, measure] of Object.entries(parts)) {
    if (chosen && !chosen.includes(name)) continue;
    console.error(`measuring: ${name} (load ${load()})`);
    figures.push(...(await measure()));
  }
} finally {
  await rm(temporary, { recursive: true, force: true });
}
printTable(figures);
process.exit(0);

function load(): string {
  return loadavg()
    .map((value) => value.toFixed(1))
    .join(' ');
}
