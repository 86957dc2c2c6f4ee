import { lstat, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { AgentDisk } from './agent-disk.ts';
import { type Manifest, openCheckout } from './checkout.ts';

/**
 * Copies a checkout, the new one or a kept one, to where containers mount it. Files that the commit did not change
 * are left as they are, also when a container has written to them in the meantime, as `git pull` would leave them.
 *
 * Gotcha: before anything is written, the manifest on disk names both the old and the new files. Otherwise the files
 * that an interrupted run had written would be in no manifest, and would stay for ever as if they were data.
 */
export async function installCheckout(
  disk: AgentDisk,
  next: Manifest,
  source: string = disk.source,
): Promise<void> {
  const previous = await disk.loadManifest('app');
  const both = Object.keys({ ...previous, ...next });
  const settled = (path: string) => (previous[path] === next[path] ? (next[path] ?? '') : 'being replaced');
  await disk.saveManifest('app', Object.fromEntries(both.map((path) => [path, settled(path)])));
  const checkout = await openCheckout(disk.app, previous, Object.keys(next));
  try {
    for (const [path, content] of Object.entries(next)) {
      if (previous[path] === content && (await exists(join(disk.app, path)))) continue;
      const from = join(source, path);
      const found = await lstat(from).catch(() => undefined);
      // These files were no longer in the checkout when it was kept.
      if (!found) continue;
      if (found.isSymbolicLink()) await checkout.link(path, await readlink(from));
      else if (found.isFile()) await checkout.write(path, await readFile(from), (found.mode & 0o111) !== 0);
    }
  } finally {
    await checkout.close();
  }
  await disk.saveManifest('app', next);
}

async function exists(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined)) !== undefined;
}
