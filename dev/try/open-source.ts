import { execFile } from 'node:child_process';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { OperatorError } from '../../infra/terminal/operator-error.ts';

const run = promisify(execFile);

export interface Commit {
  sha: string;
  tree: string;
  author: { name: string; email: string; date: string };
  subject: string;
}

/** The repository that is tried. It is only read. */
export interface Source {
  readonly name: string;
  /** Folder of git's objects. */
  readonly objects: string;
  /** A sentence about something that may be unexpected, if there is any. */
  readonly note: string | undefined;
  newest(): Promise<Commit>;
  /** The number of files with uncommitted changes. */
  uncommitted(): Promise<number>;
  close(): Promise<void>;
}

/** The server belongs to other people. */
const FETCH_EVERY_MS = 30_000;
const NEWEST = 'refs/eph/newest';
const usage = 'make try DIR=../my-app, or make try REPO=https://github.com/owner/name';

/** @throws OperatorError if there is no commit to try */
export async function openSource(
  given: { DIR?: string; REPO?: string },
  fetchEveryMs = FETCH_EVERY_MS,
): Promise<Source> {
  if (given.DIR && given.REPO)
    throw new OperatorError('DIR and REPO are both set: there is one repository to try.', usage);
  const source = given.REPO ? await openAddress(given.REPO, fetchEveryMs) : await openFolder(given.DIR);
  try {
    await source.newest();
    return source;
  } catch (error) {
    await source.close();
    throw error;
  }
}

async function openFolder(given: string | undefined): Promise<Source> {
  if (!given) throw new OperatorError('Which repository is to be tried?', usage);
  const folder = resolve(given);
  if (!(await stat(folder).catch(() => undefined))?.isDirectory())
    throw new OperatorError(`There is no folder ${folder}.`, usage);
  const bare = await git(folder, 'rev-parse', '--is-bare-repository').catch(() => {
    const commands = 'git init && git add --all && git commit --message "First commit"';
    throw new OperatorError(`${folder} is not a git repository.`, `In that folder: ${commands}`);
  });
  if (bare === 'true')
    throw new OperatorError(
      `${folder} is a bare repository: nobody commits in it.`,
      `make try DIR=<a checkout of it>, or make try REPO=file://${folder}`,
    );
  const top = await git(folder, 'rev-parse', '--show-toplevel').catch(() => {
    throw new OperatorError(`${folder} is a part of git's own folder.`, 'Give DIR the folder above it.');
  });
  return {
    ...(await readRepository(top, 'HEAD')),
    note: top === folder ? undefined : `${folder} is a part of ${top}, and all of that is tried.`,
    async uncommitted() {
      const changes = await git(top, 'status', '--porcelain');
      return changes === '' ? 0 : changes.split('\n').length;
    },
    close: async () => undefined,
  };
}

/** A copy of its newest commit, which is fetched again from time to time. */
async function openAddress(address: string, fetchEveryMs: number): Promise<Source> {
  const folder = await mkdtemp(join(tmpdir(), 'eph-try-'));
  const remove = () => rm(folder, { recursive: true, force: true });
  let fetchedAt = performance.now();
  const fetchNewest = () => git(folder, 'fetch', '--quiet', '--depth', '1', '--', address, `+HEAD:${NEWEST}`);
  try {
    await git(folder, 'init', '--quiet', '--bare', '.');
    await fetchNewest();
  } catch (error) {
    await remove();
    throw new OperatorError(`${address} could not be fetched: ${wordsOf(error)}`, usage);
  }
  const repository = await readRepository(folder, NEWEST);
  return {
    ...repository,
    name: nameOf(address),
    note: undefined,
    async newest() {
      if (performance.now() - fetchedAt >= fetchEveryMs) {
        fetchedAt = performance.now();
        // If the server cannot be reached for a moment, the commit that was fetched last stays the newest.
        await fetchNewest().catch(() => undefined);
      }
      return repository.newest();
    },
    uncommitted: async () => 0,
    close: remove,
  };
}

async function readRepository(folder: string, newest: string) {
  return {
    name: nameOf(folder),
    objects: resolve(folder, await git(folder, 'rev-parse', '--git-path', 'objects')),
    async newest(): Promise<Commit> {
      const format = ['%H', '%T', '%an', '%ae', '%aI', '%s'].join('%x00');
      const line = await git(folder, 'log', '-1', `--format=${format}`, newest, '--').catch(() => {
        const commands = 'git add --all && git commit --message "First commit"';
        throw new OperatorError(`${folder} has no commit yet.`, `In that folder: ${commands}`);
      });
      const [sha = '', tree = '', name = '', email = '', date = '', subject = ''] = line.split('\0');
      return { sha, tree, author: { name, email, date }, subject };
    },
  };
}

/** The part of the path that GitHub accepts as a repository's name. */
function nameOf(path: string): string {
  const name = basename(path.replace(/\/+$/, ''))
    .replace(/\.git$/, '')
    .replace(/[^\w.-]+/g, '-');
  return /\w/.test(name) ? name.slice(0, 100) : 'app';
}

/**
 * Runs git in the folder, whoever owns it (this runs as root, the folder belongs to a user), but none of the programs
 * that its settings name.
 */
async function git(folder: string, ...args: string[]): Promise<string> {
  const safe = ['safe.directory=*', 'core.fsmonitor=false', 'core.hooksPath=/dev/null'];
  const settings = safe.flatMap((setting) => ['-c', setting]);
  const { stdout } = await run('git', [...settings, ...args], {
    cwd: folder,
    env: gitEnvironment(),
    maxBuffer: 1 << 26,
  });
  return stdout.trimEnd();
}

/**
 * The environment without the variables that a git that started this process (a hook, an alias) sets for its own
 * repository.
 */
export function gitEnvironment(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('GIT_') || name.startsWith('GIT_SSL'),
  );
  return { ...Object.fromEntries(own), GIT_TERMINAL_PROMPT: '0', LC_ALL: 'C' };
}

function wordsOf(error: unknown): string {
  const said = error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error);
  return said.trim().split('\n').at(-1) ?? '';
}
