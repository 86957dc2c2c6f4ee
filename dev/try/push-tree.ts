import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Commit, gitEnvironment, type Source } from './open-source.ts';

const run = promisify(execFile);

export interface TreePusher {
  /** Resolves to the SHA that the commit has there. */
  push(commit: Commit): Promise<string>;
  remove(): Promise<void>;
}

/**
 * Pushes the files of a commit, without its history, as one more commit on a branch: histories may be long,
 * incomplete (a shallow clone) or one commit long, and a pull request needs a commit that its base branch lacks. It
 * uses a repository of its own that borrows the objects, so that nothing is written into the tried repository.
 */
export async function createTreePusher(
  { objects }: Pick<Source, 'objects'>,
  remote: string,
  branch: string,
): Promise<TreePusher> {
  const folder = await mkdtemp(join(tmpdir(), 'eph-push-'));
  const git = async (args: readonly string[], env: NodeJS.ProcessEnv = {}) => {
    const options = { cwd: folder, env: { ...gitEnvironment(), ...env } };
    return (await run('git', ['-c', 'safe.directory=*', ...args], options)).stdout.trim();
  };
  await git(['init', '--quiet', '--bare', '.']);
  await writeFile(join(folder, 'objects/info/alternates'), `${objects}\n`);
  await git(['fetch', '--quiet', remote, 'HEAD']);
  let parent = await git(['rev-parse', 'FETCH_HEAD']);
  return {
    async push({ tree, author, subject }) {
      const person = { NAME: author.name || 'unknown', EMAIL: author.email || 'unknown', DATE: author.date };
      const environment = Object.entries(person).flatMap(([key, value]) => [
        [`GIT_AUTHOR_${key}`, value],
        [`GIT_COMMITTER_${key}`, value],
      ]);
      const message = subject || 'No message';
      parent = await git(['commit-tree', tree, '-p', parent, '-m', message], Object.fromEntries(environment));
      await git(['push', '--quiet', '--force', remote, `${parent}:refs/heads/${branch}`]);
      return parent;
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
