import { setTimeout as sleep } from 'node:timers/promises';
import { Octokit } from '@octokit/core';
import type { RunningPlatform } from '../../local/find-platform.ts';
import { howToOpen } from '../how-to-open.ts';
import type { Commit, Source } from './open-source.ts';
import { createTreePusher } from './push-tree.ts';

const BRANCH = 'try';
/** Both are on this machine, and a person waits for them. */
const LOOK_MS = 1_000;
/** So many failures in a row, about ten seconds, mean that the platform is gone. */
const MOST_MISSES = 10;

export interface TryOptions {
  source: Source;
  platform: RunningPlatform;
  print(line: string): void;
  /** Ends the try. */
  signal: AbortSignal;
}

export interface Attempt {
  /** Pushes what is committed and prints what happens to it, until the signal. */
  follow(): Promise<void>;
  /** Closes the pull request; its resources are removed. */
  close(): Promise<void>;
}

interface Shown {
  commit: string;
  /** The commit of the same files on the platform. */
  sha: string;
  last: { said: string };
  over: boolean;
}

/** The newest commit of a repository as a pull request on a running local platform. */
export async function trySource({ source, platform, print, signal }: TryOptions): Promise<Attempt> {
  const octokit = (token: string) => new Octokit({ auth: token, baseUrl: platform.githubApi });
  const writer = octokit(platform.tokens.writer);
  const [org = ''] = platform.repository.split('/');
  const repository = await createRepository(octokit(platform.tokens.admin), org, source.name);
  const at = { owner: org, repo: repository.name };
  const remote = new URL(repository.cloneUrl);
  remote.username = 'writer';
  remote.password = platform.tokens.writer;
  const pusher = await createTreePusher(source, remote.href, BRANCH);
  let pull: { number: number; page: string } | undefined;
  let startedAt = performance.now();
  let opened = false;

  const tell = (line: string) =>
    print(`${((performance.now() - startedAt) / 1_000).toFixed(1).padStart(6)} s  ${line}`);

  async function show(commit: Commit): Promise<string> {
    startedAt = performance.now();
    const uncommitted = await source.uncommitted();
    if (uncommitted > 0)
      print(
        `${uncommitted} ${uncommitted === 1 ? 'file has' : 'files have'} changes that are not committed: they are not in it.`,
      );
    const sha = await pusher.push(commit);
    pull ??= await openPull(commit);
    tell(`pushed ${commit.sha.slice(0, 7)} ${commit.subject}`);
    return sha;
  }

  async function openPull(commit: Commit) {
    const { data } = await writer.request('POST /repos/{owner}/{repo}/pulls', {
      ...at,
      title: commit.subject || source.name,
      head: BRANCH,
      base: 'main',
    });
    return { number: data.number, page: data.html_url };
  }

  /** @returns whether the result for this commit, which has another SHA there, is final */
  async function report({ commit, sha, last }: Shown): Promise<boolean> {
    const { data } = await writer.request('GET /repos/{owner}/{repo}/commits/{ref}/statuses', {
      ...at,
      ref: sha,
    });
    const [newest] = data;
    if (!newest || `${newest.state} ${newest.description}` === last.said) return false;
    last.said = `${newest.state} ${newest.description}`;
    const asHere = (text: string) => text.replaceAll(sha.slice(0, 7), commit.slice(0, 7));
    tell(asHere(newest.description ?? newest.state));
    if (newest.state === 'pending') return false;
    if (newest.state === 'success' && newest.target_url) printAddress(newest.target_url);
    else for (const line of await comment()) print(`  ${asHere(line)}`);
    return true;
  }

  function printAddress(url: string): void {
    if (opened) {
      print(`          ${url}`);
      return;
    }
    opened = true;
    print('');
    for (const line of howToOpen({ url, page: pull?.page ?? '', login: platform.access.login })) print(line);
    print(`\nIt is updated on each new commit. Ctrl-C takes it away.\n`);
  }

  /** The comment of Eph for people, without the parts that are only for GitHub's page. */
  async function comment(): Promise<string[]> {
    const { data } = await writer.request('GET /repos/{owner}/{repo}/issues/{issue_number}/comments', {
      ...at,
      issue_number: pull?.number ?? 0,
    });
    const text = data.find(({ user }) => user?.type === 'Bot')?.body ?? '';
    return text
      .replace(/<!--[\s\S]*?-->|<\/?\w+[^>]*>/g, '')
      .replace(/\n{2,}/g, '\n')
      .trim()
      .split('\n');
  }

  return {
    async follow() {
      let misses = 0;
      const answered = (over: boolean) => {
        misses = 0;
        return over;
      };
      // On a busy machine a kept connection may have been closed at this moment.
      const missed = (error: unknown) => {
        misses++;
        if (misses >= MOST_MISSES) throw error;
        return false;
      };
      let shown: Shown | undefined;
      while (!signal.aborted) {
        const newest = await source.newest();
        if (newest.sha !== shown?.commit)
          shown = { commit: newest.sha, sha: await show(newest), last: { said: '' }, over: false };
        if (!shown.over) shown.over = await report(shown).then(answered, missed);
        await sleep(LOOK_MS, undefined, { signal }).catch(() => undefined);
      }
    },
    async close() {
      await pusher.remove();
      if (!pull) return;
      const closed = { ...at, pull_number: pull.number, state: 'closed' as const };
      await writer.request('PATCH /repos/{owner}/{repo}/pulls/{pull_number}', closed);
    },
  };
}

/** A second try of the same folder on one platform gets a number behind its name. */
async function createRepository(admin: Octokit, org: string, name: string) {
  for (let n = 1; ; n++) {
    const wanted = n === 1 ? name : `${name}-${n}`;
    const made = await admin
      .request('POST /orgs/{org}/repos', { org, name: wanted, auto_init: true })
      .catch((error: { status?: number }) => {
        if (error.status === 422 && n < 100) return undefined;
        throw error;
      });
    if (made) return { name: made.data.name, cloneUrl: made.data.clone_url };
  }
}
