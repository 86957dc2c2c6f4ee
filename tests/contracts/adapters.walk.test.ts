import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openApp } from '../../infra/github/app-client.ts';
import type { RepositoryRef } from '../../lambdas/ports.ts';
import type { NumberedQuestion } from '../../lambdas/providers/github/github-wire.ts';
import { RATE_LIMIT } from '../../local/cloudflare/api.ts';
import { GithubError } from '../../local/github/github-error.ts';
import type { WireEntry } from '../../local/wire-log.ts';
import { corrections, createFindBreaches, readDescription } from './find-breaches.ts';
import { type Adapters, startAdapters } from './start-adapters.ts';
import { tamper } from './tamper.ts';

/**
 * Compares what the product really sends to GitHub and Cloudflare, and what it gets back, with the vendors'
 * own descriptions: every method of both ports, and the ways they fail. The tests run from top to bottom: the
 * last ones check everything that the first ones sent.
 */
const findBreaches = createFindBreaches();
const about = (said: RepositoryRef, number: number): NumberedQuestion => ({
  repositoryId: said.repositoryId,
  number,
  confirmed: undefined,
  said,
  freshly: false,
});
let adapters: Adapters;
let minutes = 0;

beforeAll(async () => {
  adapters = await startAdapters(() => Date.now() + minutes * 60_000);
});
afterAll(() => adapters?.close());

/** The breaches in what crossed the wire during `work`, and the operations with their statuses. */
async function onWire(work: () => Promise<unknown>): Promise<{ breaches: string[]; statuses: number[] }> {
  const from = adapters.wire.length;
  await work();
  const entries = adapters.wire.slice(from);
  expect(entries.length).toBeGreaterThan(0);
  const breaches = entries.flatMap((entry) => findBreaches(entry));
  return { breaches, statuses: [...new Set(entries.map(({ status }) => status))].toSorted() };
}

describe('the calls of the adapter to Cloudflare are as described', () => {
  it('when a preview comes and goes', async () => {
    const { tunnels } = adapters;
    const { breaches, statuses } = await onWire(async () => {
      const { id } = await tunnels.ensureTunnel('eph-test-1-1-0');
      await tunnels.configure(id);
      await tunnels.token(id);
      const record = await tunnels.ensureRecord('shop-pr.eph.test', id, '1#1');
      expect(await tunnels.findTunnel('eph-test-1-1-0')).toEqual({ id });
      expect(await tunnels.findRecord('shop-pr.eph.test', '1#1')).toEqual(record);
      expect(await tunnels.listTunnels()).toHaveLength(1);
      expect(await tunnels.listRecords()).toHaveLength(1);
      await tunnels.deleteRecord(record.id);
      await tunnels.deleteTunnel(id);
    });
    expect(breaches).toEqual([]);
    expect(statuses).toEqual([200]);
  });

  it('when names are taken, by a run that crashed or by somebody else, and when things are gone', async () => {
    const { cloudflare, tunnels } = adapters;
    const { breaches, statuses } = await onWire(async () => {
      const { id } = await tunnels.ensureTunnel('eph-test-1-2-0');
      expect(await tunnels.ensureTunnel('eph-test-1-2-0')).toEqual({ id });
      const record = await tunnels.ensureRecord('two-pr.eph.test', id, '1#2');
      const other = await tunnels.ensureTunnel('eph-test-1-2-1');
      expect(await tunnels.ensureRecord('two-pr.eph.test', other.id, '1#2')).toEqual(record);
      cloudflare.cloudflare.createRecord({ type: 'A', name: 'office.eph.test', content: '192.0.2.1' });
      await expect(tunnels.ensureRecord('office.eph.test', id, '1#2')).rejects.toMatchObject({
        code: 'hostname_taken',
      });
      for (let twice = 0; twice < 2; twice += 1) {
        await tunnels.deleteRecord(record.id);
        await tunnels.deleteTunnel(id);
        await tunnels.deleteTunnel(other.id);
      }
      await expect(tunnels.token(id)).rejects.toMatchObject({ code: 'cloudflare_404' });
    });
    expect(breaches).toEqual([]);
    expect(statuses).toEqual([200, 400, 404, 409]);
  });

  it('when its token lacks the right, and when it calls too often', async () => {
    const { cloudflare, tunnels, makeTunnels } = adapters;
    const { breaches, statuses } = await onWire(async () => {
      const routes = cloudflare.cloudflare.issueToken('routes', ['Workers Routes Write']);
      await expect(makeTunnels(routes).listTunnels()).rejects.toMatchObject({ code: 'cloudflare_403' });
      await callUntilLimited();
      const limited = await tunnels.findTunnel('x').catch((error: unknown) => error);
      expect(limited).toMatchObject({ kind: 'transient', code: 'cloudflare_429' });
      // This is as long as Cloudflare said; the client would have waited through the function's minute.
      expect(limited).toHaveProperty('retryAfter', expect.closeTo(300_000, -5));
    });
    minutes += 6;
    expect(breaches).toEqual([]);
    expect(statuses).toEqual([403, 429]);
  });
});

describe('the calls of the adapter to GitHub are as described', () => {
  it('when a pull request comes and goes', async () => {
    const { pullRequests } = adapters;
    const { ref, pull, sha } = await adapters.openPullRequest('shop');
    const { breaches, statuses } = await onWire(async () => {
      expect((await pullRequests.read(about(ref, pull.number))).kind).toBe('known');
      expect(await pullRequests.readFile(ref, sha, 'eph.yaml')).toBe('primary: web\n');
      expect(await pullRequests.readRoot(ref, sha)).toContain('eph.yaml');
      expect(await pullRequests.openPullsOf(ref, sha)).toEqual([pull.number]);
      expect(await pullRequests.isInMergeQueue(ref, sha)).toBe(false);
      expect(await pullRequests.archiveUrl(ref, sha)).toMatch(/^http/);
      expect((await pullRequests.checkoutToken(ref)).token).toMatch(/^ghs_/);
      const tell = (id: number | undefined, body: string) =>
        pullRequests.upsertComment(ref, pull.number, {
          commentId: id,
          marker: '<!-- m -->',
          body: `<!-- m -->\n${body}`,
          mayCreate: true,
        });
      const { id } = await tell(undefined, 'hello');
      await tell(id, 'again');
      expect(await tell(undefined, 'and again')).toMatchObject({ id });
      expect(await pullRequests.readComment(ref, id)).toContain('and again');
      expect(await pullRequests.findComments(ref, pull.number, '<!-- m -->')).toEqual([id]);
      const url = 'https://shop.eph.test';
      for (const state of ['pending', 'success', 'failure', 'error'] as const) {
        await pullRequests.setStatus(ref, sha, { state, description: state, url });
      }
      expect(await pullRequests.readStatus(ref, sha)).toEqual({ state: 'error', description: 'error', url });
      const deployment = await pullRequests.createDeployment(ref, sha, 'preview', 'm');
      expect(await pullRequests.findDeployments(ref, sha, 'preview')).toEqual([{ ...deployment, mark: 'm' }]);
      const states = ['in_progress', 'success', 'failure', 'inactive'] as const;
      for (const state of states) {
        await pullRequests.setDeploymentStatus(ref, deployment.id, { state, description: state, url });
      }
      expect(await pullRequests.readDeploymentState(ref, deployment.id)).toBe('inactive');
    });
    expect(breaches).toEqual([]);
    expect(statuses).toEqual([200, 201, 302]);
  });

  it('when things are gone, moved, or not there any more', async () => {
    const { github, pullRequests } = adapters;
    const { ref, repository, pull, sha } = await adapters.openPullRequest('gone');
    const admin = github.github.account('admin');
    const { breaches, statuses } = await onWire(async () => {
      expect(await pullRequests.read(about(ref, 999))).toEqual({ kind: 'no-pull' });
      const elsewhere = about({ ...ref, access: '1' }, 1);
      expect(await pullRequests.read(elsewhere)).toMatchObject({ kind: 'known' });
      expect(await pullRequests.read({ ...elsewhere, freshly: true })).toMatchObject({ kind: 'known' });
      const nobodys = { ...ref, repositoryId: 1, access: '1', name: 'nowhere' };
      expect(await pullRequests.read({ ...about(nobodys, 1), confirmed: nobodys })).toEqual({
        kind: 'no-access',
        lostAccess: '1',
      });
      await expect(pullRequests.readFile(ref, sha, 'nothing.yaml')).rejects.toMatchObject({
        kind: 'transient',
      });
      const { id } = await pullRequests.upsertComment(ref, pull.number, {
        commentId: undefined,
        marker: 'm',
        body: 'm 1',
        mayCreate: true,
      });
      await pullRequests.deleteComment(ref, id);
      expect(pull.comments).toEqual([]);
      await pullRequests.deleteComment(ref, id);
      expect(await pullRequests.readComment(ref, id)).toBeUndefined();
      expect(await pullRequests.readDeploymentState(ref, 1)).toBeUndefined();
      expect(
        (
          await pullRequests.upsertComment(ref, pull.number, {
            commentId: id,
            marker: 'm',
            body: 'm 2',
            mayCreate: true,
          })
        ).id,
      ).not.toBe(id);
      github.github.repositories.update(repository, admin, { name: 'moved' });
      expect(await pullRequests.read(about(ref, pull.number))).toMatchObject({ kind: 'known' });
      await pullRequests.setStatus(ref, sha, { state: 'pending', description: 'moved' });
    });
    expect(breaches).toEqual([]);
    expect(statuses).toEqual([200, 201, 204, 301, 307, 404, 422]);
  });

  it('when the head’s fork was deleted', async () => {
    const { pullRequests } = adapters;
    const { ref, pull } = await adapters.openPullRequest('open');
    pull.headRepositoryId = 0;
    const { breaches } = await onWire(async () => {
      expect(await pullRequests.read(about(ref, pull.number))).toMatchObject({
        pull: { fork: true },
      });
    });
    expect(breaches).toEqual([]);
  });

  it('when it is refused for a suspension, a missing permission, a wrong request, a limit or an outage', async () => {
    const { github, pullRequests } = adapters;
    const { ref, pull } = await adapters.openPullRequest('refused');
    const admin = github.github.account('admin');
    const installation = github.github.installations.get(github.installationId);
    const { api } = github.faults;
    const { breaches, statuses } = await onWire(async () => {
      const none = '0'.repeat(40);
      await expect(pullRequests.createDeployment(ref, none, 'preview', 'm')).rejects.toMatchObject({
        code: 'github_422',
      });
      api.failNext('*', new GithubError(403, 'Resource not accessible by integration'));
      await expect(pullRequests.findDeployments(ref, none, 'x')).rejects.toMatchObject({
        code: 'github_403',
      });
      const headers = { 'retry-after': '42' };
      api.failNext('*', new GithubError(429, 'You have exceeded a secondary rate limit', { headers }));
      await expect(pullRequests.archiveUrl(ref, none)).rejects.toMatchObject({ retryAfter: 42_000 });
      api.failNext('*', new GithubError(502, 'Bad Gateway'));
      await expect(pullRequests.readFile(ref, none, 'x')).rejects.toMatchObject({ kind: 'transient' });
      github.github.installations.suspend(installation, admin);
      const read = await pullRequests.read({ ...about(ref, pull.number), confirmed: ref });
      github.github.installations.unsuspend(installation, admin);
      expect(read).toMatchObject({ kind: 'no-access', lostAccess: ref.access });
    });
    expect(breaches).toEqual([]);
    expect(statuses).toEqual(expect.arrayContaining([403, 422, 429, 502]));
  });

  it('when a failed webhook is sent again, with an id that is larger than a number can hold', async () => {
    const { github, pullRequests } = adapters;
    await github.deliveriesDone();
    const { breaches } = await onWire(async () => {
      const { attempts, next } = await pullRequests.deliveries(undefined);
      const failed = attempts.find(({ ok }) => !ok);
      expect(failed?.id.length).toBeGreaterThan(16);
      await pullRequests.redeliver(failed?.id ?? '');
      expect(next).toBeUndefined();
    });
    expect(breaches).toEqual([]);
    await github.deliveriesDone();
  });

  it('when there are more deliveries than GitHub shows at once, and when it is asked for what is no page', async () => {
    const { github, pullRequests } = adapters;
    const { state, deliveries } = github.github;
    const [installation] = state.installations.values();
    if (!installation) throw new Error('nobody has the App');
    for (let count = 0; count < 120; count += 1) {
      deliveries.emit({
        name: 'installation',
        payload: {},
        installation,
        sender: github.github.account('admin'),
      });
    }
    await github.deliveriesDone();
    const { breaches, statuses } = await onWire(async () => {
      const first = await pullRequests.deliveries(undefined);
      const second = await pullRequests.deliveries(first.next);
      expect(first.attempts).toHaveLength(100);
      expect(second.attempts.length).toBeGreaterThan(20);
      expect(second.attempts[0]?.at).toBeLessThanOrEqual(first.attempts.at(-1)?.at ?? 0);
      const seen = [...first.attempts, ...second.attempts].map(({ id }) => id);
      expect(new Set(seen).size).toBe(seen.length);
      await expect(pullRequests.deliveries('what')).rejects.toMatchObject({ code: 'github_400' });
    });
    expect(breaches).toEqual([]);
    expect(statuses).toEqual([200, 400]);
  });

  it('when the operator asks where the App is installed', async () => {
    const { apiUrl, app } = adapters.github;
    const operator = openApp({ appId: app.id, privateKey: app.privateKey, apiUrl });
    const { breaches, statuses } = await onWire(() => operator.octokit.request('GET /app/installations'));
    expect(breaches).toEqual([]);
    expect(statuses).toEqual([200]);
  });
});

describe('the contract check', () => {
  it('has seen every method of both ports', () => {
    expect(adapters.notCalled()).toEqual([]);
  });

  it('needs each of its corrections', () => {
    for (const correction of corrections) {
      const without = createFindBreaches(corrections.filter((other) => other !== correction));
      const breached = adapters.wire.filter((entry) => without(entry).length > 0);
      expect(breached.length, correction.reason).toBeGreaterThan(0);
    }
  });

  it('finds every altered value and every misspelt name in what the product sends', () => {
    const missed = adapters.wire.flatMap((entry) =>
      tamper(entry, 'request')
        .filter(({ altered }) => !says(altered, entry, 'request'))
        .map(({ how }) => `${entry.method} ${entry.path}: ${how}`),
    );
    expect([...new Set(missed)]).toEqual([]);
  });

  it('finds an altered value in every kind of reply with a body', () => {
    const kinds = new Map<string, boolean>();
    for (const entry of adapters.wire) {
      if (entry.reply === null) continue;
      const kind = `${entry.peer} ${entry.method} ${entry.path.replace(/[0-9a-f-]{20,}|\d+/g, '*')}`;
      const caught = tamper(entry, 'reply').some(({ altered }) =>
        says(altered, entry, `reply ${entry.status}`),
      );
      kinds.set(kind, (kinds.get(kind) ?? false) || caught);
    }
    expect(kinds.size).toBeGreaterThan(20);
    expect([...kinds].filter(([, caught]) => !caught)).toEqual([]);
  });

  it('takes a call without a description for a breach, whoever made it', () => {
    const entry = { t: 0, query: {}, request: null, status: 200, reply: null };
    const door: WireEntry = { ...entry, peer: 'github', method: 'GET', path: '/repos/acme/shop/secret-door' };
    expect(findBreaches(door, 'person')).toEqual([
      'github GET /repos/acme/shop/secret-door has no description',
    ]);
    const purge: WireEntry = { ...entry, peer: 'cloudflare', method: 'POST', path: '/zones/1/purge' };
    expect(findBreaches(purge)).toEqual(['cloudflare POST /zones/1/purge has no description']);
  });

  it.each(['github-openapi.json', 'cloudflare-openapi.json'])('%s says where it comes from', (file) => {
    expect(readDescription(file).info['x-source']).toMatch(/npm @?[\w/]+ \d+\.\d+\.\d+/);
  });

  it('does not start without a description', () => {
    expect(() => readDescription('gitlab-openapi.json')).toThrow(/ENOENT.*gitlab-openapi\.json/);
  });
});

/** A sentence that names the operation's address and the place. */
function says(altered: WireEntry, { method, path }: WireEntry, place: string): boolean {
  const described = path.replace(/^\/repositories\/\d+/, '/repos/_/_');
  return findBreaches(altered).some((breach) => breach.includes(`(${method} ${described}), ${place}: `));
}

/** Cloudflare counts calls before it checks the token, so these calls need no valid one. */
async function callUntilLimited(): Promise<void> {
  const from = adapters.wire.length;
  for (let n = 0; n < RATE_LIMIT; n += 100) {
    await Promise.all(Array.from({ length: 100 }, () => fetch(`${adapters.cloudflare.apiUrl}/nothing`)));
  }
  // These calls are the test's, not the product's.
  adapters.wire.splice(from);
}
