import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cloudflareTunnels } from '../../lambdas/adapters/cloudflare-tunnels.ts';
import { githubPullRequests } from '../../lambdas/adapters/github-pull-requests.ts';
import type { PullRequests, RepositoryRef, Tunnels } from '../../lambdas/ports.ts';
import { type LocalCloudflare, startCloudflare } from '../../local/cloudflare/start-cloudflare.ts';
import { type RunningGithub, startGithub } from '../../local/github/start-github.ts';
import type { WireEntry } from '../../local/wire-log.ts';
import { createFindBreaches } from './find-breaches.ts';

/**
 * What the product really says to GitHub and Cloudflare, and what it is answered, held against the vendors'
 * descriptions: every method of both ports once, the ways that fail included.
 */
const findBreaches = createFindBreaches();
const seen: WireEntry[] = [];
const wireLog = { record: (entry: WireEntry) => void seen.push(entry), close: async () => undefined };

let dir: string;
let cloudflare: LocalCloudflare;
let github: RunningGithub;
let tunnels: Tunnels;
let pullRequests: PullRequests;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'eph-contracts-'));
  cloudflare = await startCloudflare({ zone: 'eph.test', wireLog });
  github = await startGithub({ dataDir: dir, wireLog, strict: true, hookUrl: 'http://127.0.0.1:9/' });
  tunnels = cloudflareTunnels({
    apiUrl: cloudflare.apiUrl,
    apiToken: cloudflare.runtimeToken,
    accountId: cloudflare.accountId,
    zoneId: cloudflare.zoneId,
    deploymentId: 'test',
    accessTeam: 'team',
    accessAudience: cloudflare.access.applicationAud,
    newSecret: () => Buffer.alloc(32, 7).toString('base64'),
  });
  pullRequests = githubPullRequests({
    apiUrl: github.apiUrl,
    appId: github.app.id,
    privateKey: github.app.privateKey,
    now: Date.now,
  });
  seen.length = 0;
});

afterAll(async () => {
  await Promise.all([cloudflare?.close(), github?.close()]);
  await rm(dir, { recursive: true, force: true });
});

/** What crossed the wire during `work`; at least one thing did. */
async function onWire(work: () => Promise<unknown>): Promise<string[]> {
  seen.length = 0;
  await work();
  expect(seen.length).toBeGreaterThan(0);
  return seen.flatMap(findBreaches);
}

describe('what the adapters say on the wire', () => {
  it('to Cloudflare is as its description has it', async () => {
    const breaches = await onWire(async () => {
      const { id } = await tunnels.ensureTunnel('eph-test-1-1-0');
      expect(await tunnels.ensureTunnel('eph-test-1-1-0')).toEqual({ id });
      expect(await tunnels.findTunnel('eph-test-1-1-0')).toEqual({ id });
      await tunnels.configure(id);
      await tunnels.token(id);
      const record = await tunnels.ensureRecord('shop-pr.eph.test', id, '1#1');
      expect(await tunnels.ensureRecord('shop-pr.eph.test', id, '1#1')).toEqual(record);
      expect(await tunnels.listTunnels()).toHaveLength(1);
      expect(await tunnels.listRecords()).toHaveLength(1);
      await tunnels.deleteRecord(record.id);
      await tunnels.deleteRecord(record.id);
      await tunnels.deleteTunnel(id);
      await tunnels.deleteTunnel(id);
    });
    expect(breaches).toEqual([]);
  });

  it('to GitHub is as its description has it', async () => {
    const shop = await github.createRepository({ name: 'shop', files: { 'eph.yaml': 'primary: web\n' } });
    const ref: RepositoryRef = { installationId: github.installationId, owner: shop.owner, name: shop.name };
    const sha = shop.sha ?? '';
    const number = await openPullRequest(shop.name);
    const breaches = await onWire(async () => {
      expect((await pullRequests.read(ref, shop.id, number)).kind).toBe('known');
      expect((await pullRequests.read(ref, shop.id, 99)).kind).toBe('absent');
      expect(await pullRequests.readFile(ref, sha, 'eph.yaml')).toBe('primary: web\n');
      expect(await pullRequests.readFile(ref, sha, 'nothing.yaml')).toBeUndefined();
      expect(await pullRequests.archiveUrl(ref, sha)).toMatch(/^http/);
      expect((await pullRequests.checkoutToken(ref, shop.id)).token).toMatch(/^ghs_/);
      const comment = await pullRequests.upsertComment(
        ref,
        number,
        undefined,
        '<!-- m -->',
        '<!-- m -->\nhello',
      );
      await pullRequests.upsertComment(ref, number, comment.id, '<!-- m -->', '<!-- m -->\nagain');
      expect(await pullRequests.upsertComment(ref, number, undefined, '<!-- m -->', '<!-- m -->\n3')).toEqual(
        comment,
      );
      await pullRequests.setStatus(ref, sha, {
        state: 'success',
        description: 'up',
        url: 'https://shop.eph.test',
      });
      const deployment = await pullRequests.createDeployment(ref, sha, 'preview');
      expect(await pullRequests.findDeployment(ref, sha, 'preview')).toEqual(deployment);
      await pullRequests.setDeploymentStatus(ref, deployment.id, {
        state: 'success',
        description: 'up',
        url: 'https://shop.eph.test',
      });
      await pullRequests.setDeploymentStatus(ref, deployment.id, { state: 'inactive', description: 'gone' });
    });
    expect(breaches).toEqual([]);
  });

  it('about failed webhooks keeps ids that are larger than a number can hold', async () => {
    await github.deliveriesDone();
    const breaches = await onWire(async () => {
      const [failed] = await pullRequests.failedDeliveries(0);
      expect(failed?.id.length).toBeGreaterThan(16);
      await pullRequests.redeliver(failed?.id ?? '');
    });
    expect(breaches).toEqual([]);
    await github.deliveriesDone();
  });
});

describe('the contract check', () => {
  const entry: WireEntry = {
    t: 0,
    peer: 'github',
    method: 'POST',
    path: '/repos/acme/shop/statuses/0123456789012345678901234567890123456789',
    query: {},
    request: { state: 'success' },
    status: 201,
    reply: {},
  };

  it('names operation and place of a wrong request and of a wrong reply', () => {
    const breaches = findBreaches({ ...entry, request: { state: 'green' } });
    expect(breaches.find((breach) => breach.includes('request'))).toMatch(/statuses.*state/s);
    expect(breaches.find((breach) => breach.includes('reply 201'))).toMatch(/required/);
  });

  it('takes traffic without a description for a breach', () => {
    expect(findBreaches({ ...entry, path: '/repos/acme/shop/secret-door' })).toEqual([
      'github POST /repos/acme/shop/secret-door has no description',
    ]);
    expect(findBreaches({ ...entry, peer: 'cloudflare', path: '/zones/1/purge' })).toHaveLength(1);
  });

  it.each(['github-openapi.json', 'cloudflare-openapi.json'])('%s says where it comes from', async (file) => {
    const text = await readFile(join(import.meta.dirname, file), 'utf8');
    expect(JSON.parse(text).info['x-source']).toMatch(/npm/);
  });
});

async function openPullRequest(name: string): Promise<number> {
  const { Octokit } = await import('@octokit/core');
  const octokit = new Octokit({ auth: github.tokens.writer, baseUrl: github.apiUrl });
  const at = { owner: github.owner, repo: name };
  const main = await octokit.request('GET /repos/{owner}/{repo}/git/ref/{ref}', { ...at, ref: 'heads/main' });
  await octokit.request('POST /repos/{owner}/{repo}/git/refs', {
    ...at,
    ref: 'refs/heads/change',
    sha: main.data.object.sha,
  });
  await octokit.request('PUT /repos/{owner}/{repo}/contents/{path}', {
    ...at,
    path: 'new.txt',
    message: 'Add a file',
    content: Buffer.from('new').toString('base64'),
    branch: 'change',
  });
  const { data } = await octokit.request('POST /repos/{owner}/{repo}/pulls', {
    ...at,
    title: 'Change',
    head: 'change',
    base: 'main',
  });
  return data.number;
}
