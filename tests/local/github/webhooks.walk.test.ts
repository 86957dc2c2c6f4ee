import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createWireLog } from '../../../local/wire-log.ts';
import { type Fixture, pushBranch, startFixture, subscribe } from './github-fixture.ts';

/** Octokit reads it as a bigint, but describes the parameter as a number. */
const deliveryId = (id: number | bigint | undefined) => ({ delivery_id: id as number });

describe('webhook deliveries of the local GitHub', () => {
  let fixture: Fixture;
  const repository = { owner: 'acme', repo: 'shop' };

  beforeEach(async () => {
    fixture = await startFixture();
    await fixture.github.createRepository({ name: 'shop', private: true, files: { 'index.html': 'one\n' } });
    await pushBranch(fixture, 'writer', 'acme/shop', 'topic', 'two\n');
    const create = { ...repository, title: 'Topic', head: 'topic', base: 'main' };
    await fixture.as('writer').request('POST /repos/{owner}/{repo}/pulls', create);
    await fixture.github.deliveriesDone();
    fixture.receiver.received.length = 0;
  });
  afterEach(() => fixture.close());

  const setState = (state: 'open' | 'closed') =>
    fixture
      .as('writer')
      .request('PATCH /repos/{owner}/{repo}/pulls/{pull_number}', { ...repository, pull_number: 1, state });

  it('are not repeated when they fail, are listed as failed, and keep their guid when redelivered', async () => {
    fixture.receiver.answer.status = 503;
    await setState('closed');
    await fixture.github.deliveriesDone();
    expect(fixture.receiver.received).toHaveLength(1);

    const app = fixture.app.octokit;
    const { data: failed } = await app.request('GET /app/hook/deliveries', { status: 'failure' });
    expect(failed).toHaveLength(1);
    expect(failed[0]).toMatchObject({
      event: 'pull_request',
      action: 'closed',
      status_code: 503,
      redelivery: false,
    });

    expect(String(failed[0]?.id)).toHaveLength(19);

    fixture.receiver.answer.status = 202;
    await app.request('POST /app/hook/deliveries/{delivery_id}/attempts', {
      ...deliveryId(failed[0]?.id),
    });
    await fixture.github.deliveriesDone();
    const [first, second] = fixture.receiver.received;
    expect(second?.headers['x-github-delivery']).toBe(first?.headers['x-github-delivery']);
    expect(second?.raw).toBe(first?.raw);
    const { data: all } = await app.request('GET /app/hook/deliveries');
    expect(all[0]).toMatchObject({ guid: failed[0]?.guid, redelivery: true, status_code: 202 });
  });

  it('are listed page by page with the cursor', async () => {
    for (const state of ['closed', 'open', 'closed'] as const) await setState(state);
    await fixture.github.deliveriesDone();
    const ids: bigint[] = [];
    let cursor: string | undefined;
    do {
      const { data, headers } = await fixture.app.octokit.request('GET /app/hook/deliveries', {
        per_page: 2,
        ...(cursor ? { cursor } : {}),
      });
      ids.push(...data.map((one) => BigInt(one.id)));
      cursor = /cursor=([^&>]+)/.exec(headers.link ?? '')?.[1];
    } while (cursor);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toEqual([...ids].sort((a, b) => (a < b ? 1 : -1)));
  });

  it('come twice, in another order, late or never, as the test requests', async () => {
    const { webhooks } = fixture.github.faults;
    webhooks.next({ event: 'pull_request', how: 'duplicate' });
    await setState('closed');
    await fixture.github.deliveriesDone();
    expect(fixture.receiver.actions('pull_request')).toEqual(['closed', 'closed']);

    fixture.receiver.received.length = 0;
    webhooks.next({ how: 'hold', times: 2 });
    await setState('open');
    await setState('closed');
    await fixture.github.deliveriesDone();
    expect(fixture.receiver.received).toEqual([]);
    await webhooks.release('reverse');
    expect(fixture.receiver.actions('pull_request')).toEqual(['closed', 'reopened']);

    fixture.receiver.received.length = 0;
    // This is longer than a busy machine needs for the two calls that follow.
    webhooks.next({ how: 'delay', delayMs: 1_000 });
    await setState('open');
    await setState('closed');
    await fixture.github.deliveriesDone();
    expect(fixture.receiver.actions('pull_request')).toEqual(['closed', 'reopened']);

    fixture.receiver.received.length = 0;
    webhooks.next({ how: 'lose' });
    await setState('open');
    webhooks.next({ how: 'fail' });
    await setState('closed');
    await fixture.github.deliveriesDone();
    expect(fixture.receiver.received).toEqual([]);
    const { data } = await fixture.app.octokit.request('GET /app/hook/deliveries', { status: 'failure' });
    expect(data.map((one) => one.action)).toEqual(['closed']);
  });

  it('report repositories that are archived and removed, and nothing of one that no longer belongs to the installation', async () => {
    const { github } = fixture.github;
    const admin = github.account('admin');
    const [shop] = [...github.state.repositories.values()];
    if (!shop) throw new Error('no repository');
    github.repositories.update(shop, admin, { archived: true });
    github.repositories.update(shop, admin, { archived: false });
    const installation = github.installations.get(fixture.github.installationId);
    github.installations.removeRepositories(installation, admin, [shop]);
    await fixture.github.deliveriesDone();
    expect(fixture.receiver.actions('repository')).toEqual(['archived', 'unarchived']);
    expect(fixture.receiver.of('installation_repositories')[0]?.payload).toMatchObject({
      action: 'removed',
      repositories_removed: [{ id: shop.id, full_name: 'acme/shop' }],
    });
    fixture.receiver.received.length = 0;
    await setState('closed');
    github.repositories.remove(shop, admin);
    await fixture.github.deliveriesDone();
    expect(fixture.receiver.received).toEqual([]);
  });

  it('report comments, by people and by Apps', async () => {
    subscribe(fixture, 'issue_comment');
    const say = { ...repository, issue_number: 1, body: '/eph deploy' };
    await fixture.as('reader').request('POST /repos/{owner}/{repo}/issues/{issue_number}/comments', say);
    await fixture.github.deliveriesDone();
    expect(fixture.receiver.of('issue_comment')[0]?.payload).toMatchObject({
      action: 'created',
      comment: { body: '/eph deploy', user: { login: 'reader', type: 'User' } },
      issue: { number: 1, pull_request: {} },
    });
  });
});

describe('the wire log of the local GitHub', () => {
  it('contains API calls without the prefix and deliveries, and no secret', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'eph-wire-'));
    const file = join(folder, 'wire.jsonl');
    const wireLog = createWireLog(file);
    const logged = await startFixture({ wireLog });
    await logged.github.createRepository({ name: 'shop', private: true, files: { 'index.html': 'one\n' } });
    const octokit = await logged.app.getInstallationOctokit(logged.github.installationId);
    const { data } = await octokit.request('GET /repos/{owner}/{repo}', { owner: 'acme', repo: 'shop' });
    expect(data.name).toBe('shop');
    await logged.close();
    await wireLog.close();
    const text = await readFile(file, 'utf8');
    const lines = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map(({ peer, method, path }) => `${peer} ${method} ${path}`)).toContain(
      'github GET /repos/acme/shop',
    );
    expect(lines.some(({ peer, path }) => peer === 'worker' && path === '/webhooks/github')).toBe(true);
    expect(text).not.toMatch(/ghs_\d+_/);
    await rm(folder, { recursive: true });
  });
});
