import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zipSync } from 'fflate';
import { bundleFunction } from '../../infra/stack/bundle-function.ts';

const handlers = join(import.meta.dirname, '../../lambdas/handlers');

/**
 * For each handler, the construct of `infra/stack/control-plane-stack.ts` that runs it, by which its function is
 * found.
 */
export const constructs: Record<string, string> = {
  'on-job.ts': 'Deployer',
  'on-schedule.ts': 'Cleanup',
  'on-webhook.ts': 'WebhookIngress',
};

/** A zip file cannot hold a time before 1980, and without one the same code would give another file. */
const noTime = new Date('1980-01-01T00:00:00');

/** The bundle in the form that Lambda takes; the same sources make the same bytes. */
export async function zipFunction(handler: string): Promise<Uint8Array> {
  const folder = await mkdtemp(join(tmpdir(), 'eph-function-'));
  try {
    await bundleFunction(join(handlers, handler), folder);
    const files: Record<string, Uint8Array> = {};
    for (const name of (await readdir(folder)).toSorted()) files[name] = await readFile(join(folder, name));
    return zipSync(files, { mtime: noTime });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export async function listHandlers(): Promise<string[]> {
  return (await readdir(handlers)).filter((name) => name.endsWith('.ts')).toSorted();
}
