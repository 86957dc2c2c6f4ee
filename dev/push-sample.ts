import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const sample = join(import.meta.dirname, '..', 'local/sample');

export interface Clone {
  /** Replaces text in a file, commits, pushes, on top of what others pushed; resolves to the SHA. */
  change(file: string, from: string, to: string, message: string): Promise<string>;
  remove(): Promise<void>;
}

/** Puts the sample on `main` of an empty repository and checks out a new branch, with git as a developer would. */
export async function pushSample(cloneUrl: string, token: string, branch: string): Promise<Clone> {
  const folder = await mkdtemp(join(tmpdir(), 'eph-sample-'));
  const remote = new URL(cloneUrl);
  remote.username = 'writer';
  remote.password = token;
  const git = async (...args: string[]) => {
    const { stdout } = await run(
      'git',
      ['-c', 'user.name=writer', '-c', 'user.email=writer@example.com', ...args],
      {
        cwd: folder,
        env: { ...process.env, GIT_TERMINAL_PROMPT: '0' },
      },
    );
    return stdout.trim();
  };
  await cp(sample, folder, { recursive: true });
  await git('init', '--quiet', '--initial-branch', 'main');
  await git('remote', 'add', 'origin', remote.href);
  await git('add', '--all');
  await git('commit', '--quiet', '--message', 'Open the shop');
  await git('push', '--quiet', 'origin', 'main');
  await git('checkout', '--quiet', '-b', branch);

  let pushed = false;

  return {
    async change(file, from, to, message) {
      if (pushed) await git('pull', '--quiet', '--rebase', 'origin', branch);
      const path = join(folder, file);
      const text = await readFile(path, 'utf8');
      if (!text.includes(from)) throw new Error(`${file} does not contain "${from}"`);
      await writeFile(path, text.replace(from, to));
      await git('commit', '--quiet', '--all', '--message', message);
      await git('push', '--quiet', 'origin', branch);
      pushed = true;
      return git('rev-parse', 'HEAD');
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
