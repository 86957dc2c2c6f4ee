import { constants } from 'node:fs';
import {
  chown,
  type FileHandle,
  lchown,
  lstat,
  mkdir,
  open,
  readlink,
  rename,
  rm,
  rmdir,
  symlink,
  unlink,
} from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type CheckoutFolders, checkoutFolders } from './checkout-folders.ts';
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
  close(): Promise<void>;
}

const OWNER = 1000;

export async function openCheckout(
  root: string,
  previous: Manifest,
  next: readonly string[],
): Promise<Checkout> {
  await mkdir(root, { recursive: true });
  if (isRoot) await chown(root, OWNER, OWNER);
  await removeGone(root, previous, next);
  const folders = checkoutFolders(root);
  // These folders are beside the checkout: neither the repository nor a container can name anything there.
  const fresh = `${root}.new`;
  await rm(fresh, { recursive: true, force: true });
  await mkdir(fresh);

  const replace = async (folder: string, path: string, make: (temporary: string) => Promise<void>) => {
    const target = `${folder}/${basename(path)}`;
    const found = await lstat(target).catch(() => undefined);
    if (found?.isDirectory()) await removeEmptyFolder(target, path);
    const temporary = join(fresh, 'file');
    await rm(temporary, { force: true });
    await make(temporary);
    await rename(temporary, target);
  };

  const folderFor = async (path: string) => {
    const folder = await folders.enter(dirname(path), {
      make: true,
      own,
      mayReplace(at, isLink) {
        if (isLink || at in previous) return;
        failWith(
          'source',
          `\`${at}\` is a folder of the repository now, but a file with data on the preview's machine. Rename it, or open a new pull request, which has a disk of its own.`,
        );
      },
    });
    return folder ?? root;
  };

  return {
    async write(path, body, executable) {
      const folder = await folderFor(path);
      const mode = executable ? 0o755 : 0o644;
      if (await isWritten(`${folder}/${basename(path)}`, body, mode)) return;
      await replace(folder, path, async (temporary) => {
        const file = await open(temporary, 'wx');
        try {
          await file.writeFile(body);
          await file.chmod(mode);
          await own(file);
        } finally {
          await file.close();
        }
      });
    },
    async link(path, to) {
      const folder = await folderFor(path);
      const current = await readlink(`${folder}/${basename(path)}`).catch(() => undefined);
      if (current === to) return;
      await replace(folder, path, async (temporary) => {
        await symlink(to, temporary);
        if (isRoot) await lchown(temporary, OWNER, OWNER);
      });
    },
    async close() {
      await folders.close();
      await rm(fresh, { recursive: true, force: true });
    },
  };
}

/** An unchanged file is left as it is; only its mode is corrected. */
async function isWritten(target: string, body: Buffer, mode: number): Promise<boolean> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(target, flags).catch(() => undefined);
  if (!file) return false;
  try {
    const found = await file.stat();
    if (!found.isFile() || found.size !== body.length || !body.equals(await file.readFile())) return false;
    if ((found.mode & 0o777) !== mode) await file.chmod(mode);
    return true;
  } finally {
    await file.close();
  }
}

/** Docker makes a folder where a bind mount names a file that is missing; only an empty one is removed. */
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
  const left = new Set<string>();
  const folders = checkoutFolders(root);
  try {
    for (const path of Object.keys(previous)) {
      if (staying.has(path)) continue;
      const folder = await folders.enter(dirname(path), { make: false });
      if (folder === undefined) continue;
      const found = await lstat(`${folder}/${basename(path)}`).catch(() => undefined);
      if (!found || found.isDirectory()) continue;
      await unlink(`${folder}/${basename(path)}`);
      for (let at = dirname(path); at !== '.'; at = dirname(at)) left.add(at);
    }
    // The deepest first.
    for (const folder of [...left].sort((a, b) => b.length - a.length)) await removeIfEmpty(folders, folder);
  } finally {
    await folders.close();
  }
}

async function removeIfEmpty(folders: CheckoutFolders, folder: string): Promise<void> {
  const parent = await folders.enter(dirname(folder), { make: false });
  if (parent !== undefined) await rmdir(`${parent}/${basename(folder)}`).catch(() => undefined);
}

const isRoot = process.getuid?.() === 0;

async function own(made: FileHandle): Promise<void> {
  if (isRoot) await made.chown(OWNER, OWNER);
}
