import { posix } from 'node:path';
import type { TarEntry } from './read-tar.ts';

/**
 * What may come out of an archive. A path that leaves the checkout, a device or a hard link stops the
 * deployment: git never writes such archives. A symbolic link that leaves is left out with a warning:
 * repositories do have them (test data, links to the developer's home), and previews do not need them.
 */
export type EntryVerdict =
  | { take: true; path: string }
  | { take: false; reason: 'top-folder' }
  | { take: false; reason: 'leaving-link'; path: string }
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
  // Bytes that are no UTF-8 have become this character: two different names may be one now, and neither is right.
  if (path.includes('\ufffd')) return { take: false, reason: 'unreadable-name', path };
  if (entry.type === 'other' || entry.type === 'hardlink') {
    return {
      take: false,
      reason: 'refused',
      sentence: `The archive contains \`${path}\`, which is neither a file, a folder nor a symbolic link.`,
    };
  }
  if (entry.type === 'symlink' && linkLeaves(path, entry.link))
    return { take: false, reason: 'leaving-link', path };
  return { take: true, path };
}

/** Whether a link at `path` (inside the checkout) points out of it. */
export function linkLeaves(path: string, target: string): boolean {
  if (target === '' || target.startsWith('/')) return true;
  const resolved = posix.normalize(posix.join(posix.dirname(path), target));
  return resolved === '..' || resolved.startsWith('../');
}

/**
 * Whether the archive is not the whole truth and git must check the commit out: submodules are empty
 * folders in it, LFS files are pointers, and `export-ignore` leaves files out (including, possibly, the
 * `.gitattributes` that says so: that case cannot be seen).
 */
export function needsGit(path: string, text: string): string | undefined {
  if (path === '.gitmodules')
    return /^\s*\[submodule/m.test(text) ? 'the repository has submodules' : undefined;
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
