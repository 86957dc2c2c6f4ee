import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { contentStamp } from './content-stamp.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..');

/** The Worker's bundle, as wrangler would upload it. It is kept by content, so only a change costs time. */
export async function bundleWorker(cache: string, log: (line: string) => void): Promise<string> {
  const stamp = contentStamp(root, ['worker', 'lambdas/core', 'package-lock.json']);
  const folder = await cached(cache, 'worker', stamp, '', log, async (target) => {
    const wrangler = join(root, 'node_modules/wrangler/bin/wrangler.js');
    const config = join(root, 'worker/wrangler.jsonc');
    await run(process.execPath, [wrangler, 'deploy', '--dry-run', '--outdir', target, '--config', config], {
      cwd: root,
      env: { ...process.env, WRANGLER_SEND_METRICS: 'false', CI: 'true' },
    });
  });
  return join(folder, 'index.js');
}

/** A platform that runs on an older build still needs it. */
const KEPT_MS = 24 * 60 * 60 * 1000;

/**
 * Builds into a folder of its own and moves it to its place: a killed run leaves nothing incomplete, and if two build
 * the same at once the first wins. A build that was not used for a day is deleted.
 */
export async function cached(
  cache: string,
  name: string,
  stamp: string,
  variant: string,
  log: (line: string) => void,
  build: (folder: string) => Promise<void>,
): Promise<string> {
  const folder = join(cache, [name, stamp, variant].filter(Boolean).join('-'));
  if (existsSync(folder)) {
    await utimes(folder, new Date(), new Date());
    return folder;
  }
  log(`building ${name}`);
  await mkdir(cache, { recursive: true });
  await removeUnused(cache, name);
  const unfinished = await mkdtemp(join(cache, `unfinished-${name}-`));
  try {
    await build(unfinished);
    await rename(unfinished, folder);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    if (!existsSync(folder)) throw error;
  }
  return folder;
}

async function removeUnused(cache: string, name: string): Promise<void> {
  for (const entry of await readdir(cache)) {
    if (!entry.startsWith(`${name}-`) && !entry.startsWith('unfinished-')) continue;
    const path = join(cache, entry);
    const used = await stat(path).catch(() => undefined);
    if (used && used.mtimeMs < Date.now() - KEPT_MS) await rm(path, { recursive: true, force: true });
  }
}
