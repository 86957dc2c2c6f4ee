import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Octokit } from '@octokit/core';
import { type ControlPlane, startControlPlane } from '../../local/control-plane.ts';
import type { WireEntry } from '../../local/wire-log.ts';
import { createInstantHosts } from './instant-hosts.ts';

/**
 * The control plane on its stand-ins, with machines that take no time, one repository, and branches to open pull
 * requests from. GitHub's limits apply to the App only if `limits` says so: the waiting that they cause is no
 * property of the control plane, and many pull requests at once exceed them.
 */
export interface SeenEntry extends WireEntry {
  /** The time of the answer, in epoch milliseconds. */
  at: number;
}

export interface BenchPlatform extends ControlPlane {
  wire: SeenEntry[];
  /** Problems that functions, Worker and machines logged. */
  problems: string[];
  openPullRequest(branch: string): Promise<number>;
  closePullRequest(number: number): Promise<void>;
  /** Pushes a commit to each of these branches in one push. */
  pushAll(branches: readonly string[]): Promise<void>;
  /** Resolves when nothing has been on the wire for a while. */
  quiet(): Promise<void>;
}

/** More than the longest pause of a working control plane or machine. */
const QUIET_MS = 2_000;
const NO_LIMIT = 1_000_000_000;
const unlimited = {
  requestsPerHour: NO_LIMIT,
  contentPerMinute: NO_LIMIT,
  contentPerHour: NO_LIMIT,
  pointsPerMinute: NO_LIMIT,
};

export async function startBenchPlatform(options: {
  /** The folder whose `cache/` keeps the built product. */
  cache: string;
  pauseMs: number;
  limits: boolean;
  branches: readonly string[];
}): Promise<BenchPlatform> {
  const wire: SeenEntry[] = [];
  const problems: string[] = [];
  const hosts = createInstantHosts({ pauseMs: options.pauseMs, log: (line) => problems.push(line) });
  const folder = await mkdtemp(join(tmpdir(), 'eph-bench-'));
  const checkout = join(folder, 'clone');
  await mkdir(checkout);
  const plane = await startControlPlane({
    dir: join(folder, 'platform'),
    cache: join(options.cache, 'cache'),
    hostDriver: hosts,
    wireLog: {
      record(entry) {
        wire.push({ ...entry, at: Date.now() });
        const mailbox = /\/hosts\/[^/]*(i-[0-9a-f]+)\/next\.json$/.exec(entry.path);
        if (entry.method === 'PUT' && mailbox?.[1]) hosts.specWritten(mailbox[1]);
      },
      close: async () => undefined,
    },
    log: () => undefined,
    detail: (source, line) => {
      if (/"level":"(error|warn)"|Error/.test(line)) problems.push(`${source}: ${line}`);
    },
    settings: { TERMINATE_AFTER_SECONDS: '0' },
    githubLimits: { people: false, ...(options.limits ? {} : unlimited) },
  });
  hosts.connect(plane.aws);
  const { github } = plane;
  const octokit = new Octokit({ auth: github.tokens.writer, baseUrl: github.apiUrl });
  const shop = await github.createRepository({ name: 'shop', files: { 'compose.yaml': 'services: {}\n' } });
  const at = { owner: shop.owner, repo: shop.name };

  const remote = new URL(shop.cloneUrl);
  remote.username = 'writer';
  remote.password = github.tokens.writer;
  const git = async (...args: string[]) => {
    const author = ['-c', 'user.name=writer', '-c', 'user.email=writer@example.com'];
    await promisify(execFile)('git', [...author, ...args], {
      cwd: checkout,
      env: { ...process.env, GIT_TERMINAL_PROMPT: '0' },
    });
  };
  const commitOn = (branch: string) =>
    git('commit', '--quiet', '--allow-empty', '--message', `A commit on ${branch}`);
  await git('clone', '--quiet', remote.href, '.');
  for (const branch of options.branches) {
    await git('checkout', '--quiet', '-b', branch, 'origin/main');
    await commitOn(branch);
  }
  await git('push', '--quiet', 'origin', ...options.branches);
  await github.deliveriesDone();

  const quiet = async () => {
    for (let before = -1; before !== wire.length; ) {
      before = wire.length;
      await sleep(QUIET_MS);
    }
  };

  return {
    ...plane,
    wire,
    problems,
    async openPullRequest(head) {
      const pull = { ...at, title: head, head, base: 'main' };
      const { data } = await octokit.request('POST /repos/{owner}/{repo}/pulls', pull);
      return data.number;
    },
    async closePullRequest(pull_number) {
      const closed = { ...at, pull_number, state: 'closed' } as const;
      await octokit.request('PATCH /repos/{owner}/{repo}/pulls/{pull_number}', closed);
    },
    async pushAll(branches) {
      for (const branch of branches) {
        await git('checkout', '--quiet', branch);
        await commitOn(branch);
      }
      await git('push', '--quiet', 'origin', ...branches);
    },
    quiet,
    async close() {
      // dynalite throws an error that cannot be caught if it is closed during a call.
      await quiet();
      await plane.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
