import {
  chmod,
  chown,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  rmdir,
  symlink,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { failWith } from './deploy-failure.ts';

/**
 * The checkout on disk: the repository's files, and beside them the data that containers keep in it.
 *
 * Lifecycle: the manifest (path -> content) of the last generation says which files are the repository's.
 * `openCheckout` deletes those that are gone from it; nothing else is ever deleted, so a database in
 * `./data` survives every push. Files are replaced by rename; unchanged ones keep their inode, and with it
 * the single-file bind mounts of running containers.
 *
 * Gotchas
 * - Containers run as root and may put a symbolic link anywhere under a bind mount: no path is written
 *   through a link (it is replaced by a folder), or a pull request could make the agent write elsewhere.
 * - Everything belongs to user 1000, as on most developers' machines, because images that run as `node` or
 *   `app` must be able to write into their bind-mounted source.
 */
export type Manifest = Record<string, string>;

export interface Checkout {
  write(path: string, body: Buffer, executable: boolean): Promise<void>;
  link(path: string, target: string): Promise<void>;
}

const OWNER = 1000;

export async function openCheckout(
  root: string,
  previous: Manifest,
  next: readonly string[],
): Promise<Checkout> {
  await mkdir(root, { recursive: true });
  await own(root);
  await removeGone(root, previous, next);
  const safeFolders = new Set<string>();

  /** Makes the folders above a path, none of them a link. */
  async function folderFor(path: string): Promise<void> {
    const parts = path.split('/').slice(0, -1);
    let at = root;
    for (const part of parts) {
      at = join(at, part);
      if (safeFolders.has(at)) continue;
      const found = await lstat(at).catch(() => undefined);
      if (found && !found.isDirectory()) {
        if (!found.isSymbolicLink() && !(at.slice(root.length + 1) in previous)) {
          failWith(
            'source',
            `\`${at.slice(root.length + 1)}\` is a folder of the repository now, but a file with data on the preview's machine. Rename it, or open a new pull request, which has a disk of its own.`,
          );
        }
        await unlink(at);
      }
      if (!found?.isDirectory()) {
        await mkdir(at);
        await own(at);
      }
      safeFolders.add(at);
    }
  }

  async function replace(path: string, make: (temporary: string) => Promise<void>): Promise<void> {
    const target = join(root, path);
    const found = await lstat(target).catch(() => undefined);
    if (found?.isDirectory()) await removeEmptyFolder(target, path);
    // No longer than any name: one of 255 bytes has no room for an ending.
    const temporary = join(dirname(target), '.eph-new');
    await rm(temporary, { force: true, recursive: true });
    await make(temporary);
    await own(temporary);
    await rename(temporary, target);
  }

  return {
    async write(path, body, executable) {
      await folderFor(path);
      const target = join(root, path);
      const mode = executable ? 0o755 : 0o644;
      const found = await lstat(target).catch(() => undefined);
      if (found?.isFile() && found.size === body.length && body.equals(await readFile(target))) {
        if ((found.mode & 0o777) !== mode) await chmod(target, mode);
        return;
      }
      await replace(path, async (temporary) => {
        await writeFile(temporary, body, { flag: 'wx' });
        await chmod(temporary, mode);
      });
    },
    async link(path, to) {
      await folderFor(path);
      const current = await readlink(join(root, path)).catch(() => undefined);
      if (current !== to) await replace(path, (temporary) => symlink(to, temporary));
    },
  };
}

/** Docker makes a folder where a bind mount names a file that is missing; only an empty one is given up. */
async function removeEmptyFolder(folder: string, path: string): Promise<void> {
  try {
    await rmdir(folder);
  } catch {
    failWith(
      'source',
      `\`${path}\` is a file of the repository now, but a folder with data on the preview's machine. Rename it, or open a new pull request, which has a disk of its own.`,
    );
  }
}

/** Deletes what the last manifest had and the next one lacks, and folders that this leaves empty. */
export async function removeGone(root: string, previous: Manifest, next: readonly string[]): Promise<void> {
  const staying = new Set(next);
  const folders = new Set<string>();
  for (const path of Object.keys(previous)) {
    if (staying.has(path) || !(await onlyFolders(root, path))) continue;
    const found = await lstat(join(root, path)).catch(() => undefined);
    if (!found || found.isDirectory()) continue;
    await unlink(join(root, path));
    for (let at = dirname(path); at !== '.'; at = dirname(at)) folders.add(at);
  }
  // The deepest first.
  for (const folder of [...folders].sort((a, b) => b.length - a.length)) {
    const entries = await readdir(join(root, folder)).catch(() => ['?']);
    if (entries.length === 0) await rmdir(join(root, folder)).catch(() => undefined);
  }
}

/** Whether all folders above a path are folders, not links somebody put there. */
async function onlyFolders(root: string, path: string): Promise<boolean> {
  let at = root;
  for (const part of path.split('/').slice(0, -1)) {
    at = join(at, part);
    const found = await lstat(at).catch(() => undefined);
    if (!found?.isDirectory()) return false;
  }
  return true;
}

async function own(path: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const found = await lstat(path);
  // lchown is not in node:fs/promises for every platform; links need no owner.
  if (!found.isSymbolicLink()) await chown(path, OWNER, OWNER);
}
