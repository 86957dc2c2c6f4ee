import { join } from 'node:path';
import { Octokit } from '@octokit/core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../../local/eventually.ts';
import { fetchPage } from '../../scripts/smoke/fetch-page.ts';
import { readSettings } from './settings.ts';
import { createTestBranch, type Files, readSample, type TestBranch } from './test-branch.ts';

/**
 * One pull request from opening to nothing left, as its author sees it: through GitHub's API and through the
 * address in the comment. Each test goes on from where the one before ended.
 */
const settings = readSettings(process.env);
const [owner = '', repo = ''] = settings.TEST_GITHUB_REPO.split('/');
const octokit = new Octokit({ auth: settings.TEST_GITHUB_TOKEN, baseUrl: settings.TEST_GITHUB_API_URL });
const visitor = {
  'CF-Access-Client-Id': settings.CF_SERVICE_TOKEN_ID,
  'CF-Access-Client-Secret': settings.CF_SERVICE_TOKEN_SECRET,
};
/** A real machine boots, installs nothing, pulls and builds; minutes at the most. */
const DEPLOY_SECONDS = 240;

let branch: TestBranch;
let sample: Files;
let number = 0;
let url = '';

beforeAll(async () => {
  sample = await readSample(join(import.meta.dirname, '../../local/sample'));
  branch = await createTestBranch(octokit, settings, `eph-e2e-${Date.now()}`);
});

afterAll(async () => {
  if (number > 0) await setState('closed').catch(() => undefined);
  await branch?.remove().catch(() => undefined);
});

async function setState(state: 'open' | 'closed'): Promise<void> {
  await octokit.request('PATCH /repos/{owner}/{repo}/pulls/{pull_number}', {
    owner,
    repo,
    pull_number: number,
    state,
  });
}

async function ephComments(): Promise<string[]> {
  const { data } = await octokit.request('GET /repos/{owner}/{repo}/issues/{issue_number}/comments', {
    owner,
    repo,
    issue_number: number,
  });
  return data.filter(({ user }) => user?.type === 'Bot').map(({ body }) => body ?? '');
}

function comment(title: RegExp, seconds: number): Promise<string> {
  return eventually(`a comment that says ${title}`, seconds, async () => {
    const [body = 'no comment'] = await ephComments();
    if (/failed/.test(body)) throw new Error(`The deployment failed:\n${body}`);
    return title.test(body) ? { done: body } : { seen: body.split('\n')[1] ?? body };
  });
}

function page(containing: string): Promise<string> {
  return eventually(`a page with "${containing}"`, 60, async () => {
    const { status, body } = await fetchPage(url, visitor);
    return status === 200 && body.includes(containing)
      ? { done: body }
      : { seen: `${status} ${body.slice(0, 200)}` };
  });
}

describe('one pull request', () => {
  test('opened: a comment tells its address, and the page is served from its containers', async () => {
    await branch.commit('Add the shop', sample);
    const { data: repository } = await octokit.request('GET /repos/{owner}/{repo}', { owner, repo });
    const { data: pull } = await octokit.request('POST /repos/{owner}/{repo}/pulls', {
      owner,
      repo,
      title: 'End-to-end test of Eph',
      head: branch.name,
      base: repository.default_branch,
    });
    number = pull.number;

    const body = await comment(/Preview is ready/, DEPLOY_SECONDS);
    url = /\*\*(https?:\/\/[^*\s]+)\*\*/.exec(body)?.[1] ?? '';
    expect(url).toMatch(/^https?:\/\//);
    expect(await page('version 1')).toContain('<h1>Shop');
    const api = await fetchPage(`${url}/api/`, visitor);
    expect(JSON.parse(api.body)).toMatchObject({ greeting: 'Welcome to the shop', url });
  });

  test('nobody gets in without signing in, and the application never sees how others did', async () => {
    const stranger = await fetchPage(url, { accept: 'text/html' });
    expect([302, 401, 403]).toContain(stranger.status);
    expect(stranger.body).not.toContain('<h1>Shop');
    const wrong = await fetchPage(url, { ...visitor, 'CF-Access-Client-Secret': 'wrong' });
    expect([302, 401, 403]).toContain(wrong.status);
  });

  test('the commit carries a green status, and the deployment a link', async () => {
    const { data: pull } = await octokit.request('GET /repos/{owner}/{repo}/pulls/{pull_number}', {
      owner,
      repo,
      pull_number: number,
    });
    await eventually('a green commit status', 30, async () => {
      const { data } = await octokit.request('GET /repos/{owner}/{repo}/commits/{ref}/statuses', {
        owner,
        repo,
        ref: pull.head.sha,
      });
      const state = data.find(({ context }) => context === 'eph/preview')?.state ?? 'none';
      return state === 'success' ? { done: state } : { seen: state };
    });
  });

  test('pushed: the same address shows the new version, and the data is still there', async () => {
    const web = sample['web/index.html'] ?? '';
    const visitsOf = async () => JSON.parse((await fetchPage(`${url}/api/`, visitor)).body).visits;
    const before: number = await visitsOf();
    const sha = await branch.commit('Show version 2', {
      'web/index.html': web.replace('version 1', 'version 2'),
    });

    await comment(new RegExp(`${sha.slice(0, 7)}. is running`), DEPLOY_SECONDS);
    await page('version 2');
    expect(await visitsOf()).toBeGreaterThan(before);
    expect(await ephComments()).toHaveLength(1);
  });

  test('closed: the address is gone, the comment says so', async () => {
    await setState('closed');
    await comment(/Preview removed/, 120);
    await eventually('no page any more', 60, async () => {
      const status = await fetchPage(url, visitor).then(
        (reply) => reply.status,
        () => 0,
      );
      return status === 200 ? { seen: '200' } : { done: status };
    });
  });
});
