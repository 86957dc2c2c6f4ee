import { constants } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, unlink } from 'node:fs/promises';

/**
 * The folders of a checkout, entered one by one and never through a link. Containers may put a link in place of a
 * folder at any moment, also between the agent's check and its write, and the agent is root. So each folder is
 * opened, and all work in it goes through that handle (`/proc/self/fd/<n>/name`), wherever its name leads by then.
 *
 * Gotcha: only Linux has such paths. On other systems, where no host runs, the paths are plain ones.
 */
export interface CheckoutFolders {
  /**
   * A path that stands for the folder until the next call; undefined if the folder does not exist and must not be
   * made.
   */
  enter(folder: string, missing: Missing): Promise<string | undefined>;
  close(): Promise<void>;
}

export type Missing =
  | { make: false }
  /** `mayReplace` is called for an entry that is not a folder; it throws to keep that entry. */
  | { make: true; own(made: FileHandle): Promise<void>; mayReplace(path: string, isLink: boolean): void };

interface OpenFolder {
  name: string;
  handle: FileHandle;
  path: string;
  inode: number;
}

const OPEN_FOLDER = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

export function checkoutFolders(root: string): CheckoutFolders {
  /** The folders that have been entered, from the top to the last one. */
  const entered: OpenFolder[] = [];

  async function leave(depth: number): Promise<void> {
    for (const { handle } of entered.splice(depth)) await handle.close();
  }

  return {
    async enter(folder, missing) {
      let at = root;
      for (const [depth, name] of partsOf(folder).entries()) {
        const path = `${at}/${name}`;
        const found = await lstat(path).catch(() => undefined);
        const known = entered[depth];
        if (!known || known.name !== name || !found?.isDirectory() || found.ino !== known.inode) {
          await leave(depth);
          if (!found?.isDirectory()) {
            if (!missing.make) return undefined;
            if (found) {
              missing.mayReplace(
                partsOf(folder)
                  .slice(0, depth + 1)
                  .join('/'),
                found.isSymbolicLink(),
              );
              await unlink(path);
            }
            await mkdir(path);
          }
          const handle = await open(path, OPEN_FOLDER);
          if (!found?.isDirectory() && missing.make) await missing.own(handle);
          entered.push({ name, handle, path: pathOf(handle, path), inode: (await handle.stat()).ino });
        }
        at = entered[depth]?.path ?? path;
      }
      return at;
    },
    close: () => leave(0),
  };
}

function pathOf(handle: FileHandle, plain: string): string {
  return process.platform === 'linux' ? `/proc/self/fd/${handle.fd}` : plain;
}

function partsOf(folder: string): string[] {
  return folder.split('/').filter((part) => part !== '' && part !== '.');
}
