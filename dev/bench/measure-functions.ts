import { execFile } from 'node:child_process';
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { bundleFunction } from '../../infra/stack/bundle-function.ts';
import { atMost, type Figure, inMillis, percentile } from './figures.ts';

/**
 * The functions as `infra/` bundles them, with their NODE_OPTIONS. Import time is how much longer a new process needs
 * for the bundle than for an empty file: the median of each, measured alternately.
 */
const root = join(import.meta.dirname, '../..');
const PROCESSES = 11;

export async function measureFunctions(folder: string): Promise<Figure[]> {
  const empty = join(folder, 'empty.mjs');
  await writeFile(empty, '');
  const figures: Figure[] = [];
  for (const handler of ['on-job', 'on-schedule']) {
    const target = join(folder, handler);
    await mkdir(target, { recursive: true });
    await bundleFunction(join(root, 'lambdas/handlers', `${handler}.ts`), target);
    const bundle = join(target, 'index.mjs');
    const { size } = await stat(bundle);
    figures.push(atMost(`Lambda ${handler}, bundle`, size, 1_200_000, inMegabytes));
    figures.push(atMost(`Lambda ${handler}, import`, await importTime(bundle, empty), 180, inMillis));
  }
  return figures;
}

const inMegabytes = (bytes: number) => `${(bytes / 1_000_000).toFixed(2)} MB`;

async function importTime(bundle: string, empty: string): Promise<number> {
  const times: { bundle: number[]; empty: number[] } = { bundle: [], empty: [] };
  for (let count = 0; count < PROCESSES; count += 1) {
    times.empty.push(await run(empty));
    times.bundle.push(await run(bundle));
  }
  return percentile(times.bundle, 50) - percentile(times.empty, 50);
}

async function run(file: string): Promise<number> {
  const startedAt = performance.now();
  await promisify(execFile)(process.execPath, [file], {
    env: { ...process.env, NODE_OPTIONS: '--enable-source-maps' },
  });
  return performance.now() - startedAt;
}
