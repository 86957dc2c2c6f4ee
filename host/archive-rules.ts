import type { TarEntry } from './read-tar.ts';

/**
 * What may come out of an archive. A path that leaves the checkout, a device or a hard link stops the
 * deployment: git never writes such archives. A symbolic link that leaves is left out with a warning:
 * repositories do have them (test data, links to the developer's home), and previews do not need them.
 */
export type EntryVerdict =
  | { take: true; path: string }
  | { take: false; reason: 'top-folder' }
  | { take: false; reason: 'unreadable-name'; path: string }
  | { take: false; reason: 'refused'; sentence: string };

/** Strips the archive's top folder (`owner-repo-<sha>/`). */
export function judgeEntry(entry: Pick<TarEntry, 'path' | 'type' | 'link'>): EntryVerdict {
  const raw = entry.path;
  if (raw.startsWith('/') || raw.includes('\0')) return refused(raw);
  const parts = raw.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) return refused(raw);
  const path = parts.slice(1).join('/');
  if (path === '') return entry.type === 'folder' ? { take: false, reason: 'top-folder' } : refused(raw);
  if (path === '.git' || path.startsWith('.git/')) return refused(raw);
  // Bytes that are not UTF-8 have become this character: two different names may now be the same, and neither is
  // right.
  if (path.includes('\ufffd')) return { take: false, reason: 'unreadable-name', path };
  if (entry.type === 'other' || entry.type === 'hardlink') {
    return {
      take: false,
      reason: 'refused',
      sentence: `The archive contains \`${path}\`, which is neither a file, a folder nor a symbolic link.`,
    };
  }
  return { take: true, path };
}

/** A kernel gives up at 40 links in one path (path_resolution(7)); no real path has 1,000 names. */
const MAX_HOPS = 40;
const MAX_STEPS = 1_000;

/**
 * Whether the link at `path` leads out of the checkout. It is followed step by step as the kernel does: `up/..` is
 * the folder above the target of `up`, not `.`. A missing entry counts as a folder, since a container may make it.
 * `links` are all links of the checkout, path to target.
 */
export function linkLeaves(path: string, links: Pick<ReadonlyMap<string, string>, 'get'>): boolean {
  const at: string[] = [];
  const ahead = path.split('/').reverse();
  let hops = 0;
  for (let steps = 0; steps < MAX_STEPS; steps++) {
    const name = ahead.pop();
    if (name === undefined) return false;
    if (name === '' || name === '.') continue;
    if (name === '..') {
      if (at.pop() === undefined) return true;
      continue;
    }
    const target = links.get([...at, name].join('/'));
    if (target === undefined) {
      at.push(name);
      continue;
    }
    if (target === '' || target.startsWith('/')) return true;
    if (++hops > MAX_HOPS) return false;
    ahead.push(...target.split('/').reverse());
  }
  return true;
}

const MOST_NAMED = 5;

export function leftOut(links: readonly string[]): string[] {
  return someOf(links, 'is a link to outside the repository', 'links to outside the repository');
}

export function namesLeftOut(paths: readonly string[]): string[] {
  return someOf(paths, 'has a name that is not UTF-8', 'files with a name that is not UTF-8');
}

/** The list is limited here, because an archive may hold thousands of them. */
function someOf(paths: readonly string[], which: string, others: string): string[] {
  const sentences = paths
    .slice(0, MOST_NAMED)
    .map((path) => `\`${path.slice(0, 200)}\` ${which} and was left out.`);
  const more = paths.length - MOST_NAMED;
  return more > 0 ? [...sentences, `${more} more ${others} were left out.`] : sentences;
}

export function foldersAbove(path: string): string[] {
  const parts = path.split('/').slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'));
}

/**
 * Whether the archive lacks something and git must check the commit out: submodules are empty folders in it, LFS
 * files are pointers, and `export-ignore` leaves files out (including, possibly, the `.gitattributes` that says so:
 * that case cannot be seen).
 */
export function needsGit(path: string, text: string): string | undefined {
  if (path === '.gitmodules')
    return text.split('\n').some((line) => line.trimStart().startsWith('[submodule'))
      ? 'the repository has submodules'
      : undefined;
  if (path !== '.gitattributes' && !path.endsWith('/.gitattributes')) return undefined;
  const attributes = text.split('\n').filter((line) => !line.trimStart().startsWith('#'));
  const found = attributes
    .flatMap((line) => line.trim().split(/\s+/).slice(1))
    .find((attribute) => /^(?:export-ignore|export-subst|filter=lfs)$/.test(attribute));
  return found && `${path} uses ${found === 'filter=lfs' ? 'Git LFS' : `\`${found}\``}`;
}

function refused(path: string): EntryVerdict {
  return {
    take: false,
    reason: 'refused',
    sentence: `The archive contains the path \`${path.slice(0, 200)}\`, which leaves the repository.`,
  };
}
