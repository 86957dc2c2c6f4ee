import { appendFile, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { git, runGit } from './git-command.ts';
import type { PullFacts } from './github-state.ts';

/**
 * The bare repositories on disk, one folder per repository id (names change). Lifecycle: `init`,
 * then pushes over HTTP (git-http.ts) and writes through the API.
 *
 * Gotchas
 * - `refs/pull/N/head` is ours: pushes to it are refused (`receive.hideRefs`), it is advertised as on GitHub.
 * - A SHA from outside is passed to git after `--end-of-options`: it may be any text.
 * - Commits never change and are never deleted (`gc.auto` is 0), so git's answers about them are cached: each
 *   question is a process, and a control plane asks the same ones for every pull request.
 */
export interface CommitInfo {
  sha: string;
  tree: string;
  parents: string[];
  author: { name: string; email: string; date: string };
  committer: { name: string; email: string; date: string };
  message: string;
}

export interface TreeEntry {
  mode: string;
  type: string;
  sha: string;
  size: number | undefined;
  path: string;
}

export type GitStore = ReturnType<typeof createGitStore>;

/** The settings are written directly: `git config` would need a process for each line. */
const settings = `[http]
	receivepack = true
[uploadpack]
	allowFilter = true
	allowAnySHA1InWant = true
[receive]
	hideRefs = refs/pull
[gc]
	auto = 0
`;

export function createGitStore(root: string) {
  const directory = (id: number): string => join(root, `${id}.git`);

  const commits = new Set<string>();
  const trees = new Map<string, TreeEntry[]>();

  const resolve = async (id: number, ref: string): Promise<string | undefined> => {
    if (commits.has(`${id} ${ref}`)) return ref;
    const isSha = /^[0-9a-f]{40}$/.test(ref);
    for (const candidate of isSha ? [ref] : [`refs/heads/${ref}`, `refs/tags/${ref}`, ref]) {
      const args = ['rev-parse', '--verify', '--quiet', '--end-of-options', `${candidate}^{commit}`];
      const found = await runGit(directory(id), args);
      if (found.code !== 0) continue;
      const sha = found.stdout.toString('utf8').trim();
      commits.add(`${id} ${sha}`);
      return sha;
    }
    return undefined;
  };

  const log = async (id: number, range: readonly string[]): Promise<CommitInfo[]> => {
    const format = ['%H', '%T', '%P', '%an', '%ae', '%aI', '%cn', '%ce', '%cI', '%B'].join('%x1f');
    const text = await git(directory(id), ['log', `--format=${format}%x1e`, ...range, '--']);
    return text
      .split('\x1e')
      .map((entry) => entry.trim())
      .filter((entry) => entry !== '')
      .map(readCommit);
  };

  const mergeBase = async (id: number, base: string, head: string): Promise<string> => {
    const found = await runGit(directory(id), ['merge-base', base, head]);
    return found.code === 0 ? found.stdout.toString('utf8').trim() : base;
  };

  return {
    directory,
    resolve,
    log,

    async init(id: number, defaultBranch: string): Promise<void> {
      await mkdir(directory(id), { recursive: true });
      await git(directory(id), ['init', '--bare', '--quiet', `--initial-branch=${defaultBranch}`]);
      await appendFile(join(directory(id), 'config'), settings);
    },

    async branches(id: number): Promise<Map<string, string>> {
      const args = ['for-each-ref', '--format=%(refname:lstrip=2) %(objectname)', 'refs/heads'];
      const text = await git(directory(id), args);
      const lines = text === '' ? [] : text.split('\n');
      return new Map(lines.map((line) => [line.slice(0, -41), line.slice(-40)]));
    },

    async setRef(id: number, ref: string, sha: string): Promise<void> {
      await git(directory(id), ['update-ref', ref, sha]);
    },

    async deleteRef(id: number, ref: string): Promise<void> {
      await git(directory(id), ['update-ref', '-d', ref]);
    },

    async commit(id: number, sha: string): Promise<CommitInfo> {
      const [commit] = await log(id, ['-1', sha]);
      if (!commit) throw new Error(`no commit ${sha} in repository ${id}`);
      return commit;
    },

    /** Commits of head that base lacks, oldest first. */
    async commitsBetween(id: number, base: string, head: string): Promise<CommitInfo[]> {
      return (await log(id, [`${base}..${head}`])).reverse();
    },

    /** The changes of a pull request, since the merge base, so that new commits in base change nothing. */
    async facts(id: number, base: string, head: string): Promise<PullFacts> {
      const from = await mergeBase(id, base, head);
      const stat = await git(directory(id), ['diff', '--shortstat', '-M', from, head]);
      const count = (what: RegExp): number => Number(what.exec(stat)?.[1] ?? 0);
      const merge = await runGit(directory(id), ['merge-tree', '--write-tree', '--name-only', base, head]);
      return {
        commits: Number(await git(directory(id), ['rev-list', '--count', `${base}..${head}`])),
        additions: count(/(\d+) insertion/),
        deletions: count(/(\d+) deletion/),
        changedFiles: count(/(\d+) file/),
        mergeable: merge.code === 0,
      };
    },

    async isAncestor(id: number, ancestor: string, descendant: string): Promise<boolean> {
      return (await runGit(directory(id), ['merge-base', '--is-ancestor', ancestor, descendant])).code === 0;
    },

    /** The merge commit, which is on no branch yet; undefined if the two conflict. */
    async merge(
      id: number,
      ours: string,
      theirs: string,
      message: string,
      author: string,
    ): Promise<string | undefined> {
      const merged = await runGit(directory(id), ['merge-tree', '--write-tree', ours, theirs]);
      if (merged.code !== 0) return undefined;
      const tree = merged.stdout.toString('utf8').trim();
      return git(directory(id), ['commit-tree', tree, '-p', ours, '-p', theirs, '-m', message], {
        env: identity(author),
      });
    },

    async tree(id: number, ref: string, recursive: boolean): Promise<TreeEntry[]> {
      const known = trees.get(`${id} ${ref} ${recursive}`);
      if (known) return known;
      const args = ['ls-tree', '-l', '-z', ...(recursive ? ['-r', '-t'] : []), '--end-of-options', ref];
      const text = (await runGit(directory(id), args)).stdout.toString('utf8');
      const entries = text
        .split('\0')
        .filter((line) => line !== '')
        .map(readTreeEntry);
      if (commits.has(`${id} ${ref}`)) trees.set(`${id} ${ref} ${recursive}`, entries);
      return entries;
    },

    /** The bytes of a file; undefined if there is no such blob. */
    async blob(id: number, sha: string): Promise<Buffer | undefined> {
      const found = await runGit(directory(id), ['cat-file', 'blob', sha]);
      return found.code === 0 ? found.stdout : undefined;
    },

    writeBlob: (id: number, bytes: Uint8Array) =>
      git(directory(id), ['hash-object', '-w', '--stdin'], { stdin: bytes }),

    /** Writes the base tree with entries replaced (sha) or removed (null). */
    async writeTree(
      id: number,
      base: string | undefined,
      entries: readonly { path: string; mode: string; sha: string | null }[],
    ): Promise<string> {
      const env = { GIT_INDEX_FILE: join(directory(id), `index-${crypto.randomUUID()}`) };
      try {
        await git(directory(id), base ? ['read-tree', base] : ['read-tree', '--empty'], { env });
        const lines = entries.map((one) =>
          one.sha === null ? `0 ${'0'.repeat(40)}\t${one.path}\0` : `${one.mode} ${one.sha}\t${one.path}\0`,
        );
        await git(directory(id), ['update-index', '-z', '--index-info'], { env, stdin: lines.join('') });
        return await git(directory(id), ['write-tree'], { env });
      } finally {
        await rm(env.GIT_INDEX_FILE, { force: true });
      }
    },

    writeCommit(
      id: number,
      tree: string,
      parents: readonly string[],
      message: string,
      author: string,
    ): Promise<string> {
      const args = ['commit-tree', tree, ...parents.flatMap((parent) => ['-p', parent]), '-m', message];
      return git(directory(id), args, { env: identity(author) });
    },
  };
}

export function identity(login: string): Record<string, string> {
  const email = `${login.replace(/[^A-Za-z0-9-]/g, '')}@users.noreply.github.localhost`;
  return {
    GIT_AUTHOR_NAME: login,
    GIT_AUTHOR_EMAIL: email,
    GIT_COMMITTER_NAME: login,
    GIT_COMMITTER_EMAIL: email,
  };
}

function readCommit(entry: string): CommitInfo {
  const [sha = '', tree = '', parents = '', an = '', ae = '', aI = '', cn = '', ce = '', cI = '', ...rest] =
    entry.split('\x1f');
  return {
    sha,
    tree,
    parents: parents === '' ? [] : parents.split(' '),
    author: { name: an, email: ae, date: aI },
    committer: { name: cn, email: ce, date: cI },
    message: rest.join('\x1f').trimEnd(),
  };
}

function readTreeEntry(line: string): TreeEntry {
  const [head = '', path = ''] = line.split('\t');
  const [mode = '', type = '', sha = '', size = '-'] = head.split(/\s+/);
  return { mode, type, sha, size: size === '-' ? undefined : Number(size), path };
}
