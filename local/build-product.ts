import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { contentStamp } from './content-stamp.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..');

export interface Product {
  /** The synthesised template, parsed, and the folder with the functions' bundles. */
  template: unknown;
  assets: string;
  /** The Worker's bundle, as wrangler would upload it. */
  worker: string;
}

/**
 * What a deploy would upload, made by the tools a deploy uses: `infra/app.ts` synthesises the template with
 * the functions' bundles, wrangler bundles the Worker. Kept by content, so only a change costs time.
 */
export async function buildProduct(cache: string, log: (line: string) => void): Promise<Product> {
  const [assets, worker] = await Promise.all([synthesise(cache, log), bundleWorker(cache, log)]);
  const name = (await readdir(assets)).find((file) => file.endsWith('.template.json'));
  if (!name) throw new Error(`infra/app.ts wrote no template into ${assets}`);
  return { template: JSON.parse(await readFile(join(assets, name), 'utf8')), assets, worker };
}

function synthesise(cache: string, log: (line: string) => void): Promise<string> {
  const inputs = ['infra', 'lambdas', 'cdk.json', 'package-lock.json'];
  return cached(cache, 'stack', inputs, log, async (folder) => {
    const { context } = JSON.parse(await readFile(join(root, 'cdk.json'), 'utf8'));
    await run(process.execPath, ['infra/app.ts'], {
      cwd: root,
      env: {
        ...process.env,
        CDK_OUTDIR: folder,
        CDK_CONTEXT_JSON: JSON.stringify({ ...context, placeholders: true }),
      },
    });
  });
}

async function bundleWorker(cache: string, log: (line: string) => void): Promise<string> {
  const inputs = ['worker', 'lambdas/core', 'package-lock.json'];
  const folder = await cached(cache, 'worker', inputs, log, async (target) => {
    const wrangler = join(root, 'node_modules/wrangler/bin/wrangler.js');
    const config = join(root, 'worker/wrangler.jsonc');
    await run(process.execPath, [wrangler, 'deploy', '--dry-run', '--outdir', target, '--config', config], {
      cwd: root,
      env: { ...process.env, WRANGLER_SEND_METRICS: 'false', CI: 'true' },
    });
  });
  return join(folder, 'index.js');
}

/** Builds into a folder of its own and moves it into place: a run that is killed leaves nothing half made. */
async function cached(
  cache: string,
  name: string,
  inputs: readonly string[],
  log: (line: string) => void,
  build: (folder: string) => Promise<void>,
): Promise<string> {
  const stamp = contentStamp(root, inputs);
  const folder = join(cache, `${name}-${stamp}`);
  if (existsSync(folder)) return folder;
  log(`building ${name}`);
  await mkdir(cache, { recursive: true });
  for (const old of await readdir(cache)) {
    if (old.startsWith(`${name}-`)) await rm(join(cache, old), { recursive: true, force: true });
  }
  const unfinished = join(cache, `unfinished-${name}-${process.pid}`);
  await rm(unfinished, { recursive: true, force: true });
  await build(unfinished);
  await rename(unfinished, folder);
  return folder;
}
