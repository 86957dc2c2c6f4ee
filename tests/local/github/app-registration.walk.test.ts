import { App } from '@octokit/app';
import { Octokit } from '@octokit/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { appManifest } from '../../../infra/github/app-manifest.ts';
import { install, submit } from '../../infra/github/github-accounts.ts';
import { type Fixture, pushBranch, refusal, startFixture } from './github-fixture.ts';

const redirectUrl = 'http://127.0.0.1:9/created';
const good = (deploymentId: string) =>
  appManifest({
    deploymentId,
    webhookHost: 'hooks.acme.dev',
    homepage: 'https://acme.dev',
    redirectUrl,
  });

describe('Apps that people register on the local GitHub', () => {
  let fixture: Fixture;

  beforeAll(async () => {
    fixture = await startFixture();
    await fixture.github.createRepository({ name: 'shop', private: true, files: { 'index.html': 'one\n' } });
  });
  afterAll(() => fixture.close());

  const offer = (manifest: object, where = '/organizations/acme/settings/apps/new') =>
    fetch(`${fixture.github.url}${where}?state=mine`, {
      method: 'POST',
      body: new URLSearchParams({ manifest: JSON.stringify(manifest) }),
    });
  const confirm = async (manifest: object, as = 'admin') => {
    const offered = await offer(manifest);
    return submit(await offered.text(), offered.url, { as });
  };
  const codeOf = async (deploymentId: string) => {
    const reply = await confirm(good(deploymentId));
    const back = new URL(reply.headers.get('location') ?? '');
    expect(back.searchParams.get('state')).toBe('mine');
    return back.searchParams.get('code') ?? '';
  };
  const convert = (code: string) =>
    new Octokit({ baseUrl: fixture.github.apiUrl }).request('POST /app-manifests/{code}/conversions', {
      code,
    });
  const appFrom = async (deploymentId: string) => {
    const { data } = await convert(await codeOf(deploymentId));
    if (!data) throw new Error('GitHub names no App');
    const app = new App({
      appId: data.id,
      privateKey: data.pem,
      Octokit: Octokit.defaults({ baseUrl: fixture.github.apiUrl }),
    });
    return { app, data };
  };

  it('are shown to everybody with a token if they are private, and to no stranger', async () => {
    const { data } = await appFrom('private');
    const seenBy = async (auth?: string) => {
      const octokit = new Octokit({ baseUrl: fixture.github.apiUrl, ...(auth && { auth }) });
      return octokit.request('GET /apps/{app_slug}', { app_slug: data.slug ?? '' }).then(
        ({ status }) => status,
        ({ status }) => status,
      );
    };
    expect(await seenBy()).toBe(404);
    expect(await seenBy(fixture.github.tokens.outsider)).toBe(200);
    fixture.github.github.apps.get(data.slug ?? '').public = true;
    expect(await seenBy()).toBe(200);
  });

  const wrong: [string, object, string][] = [
    ['no home page', { url: undefined }, '"url" wasn&#39;t supplied.'],
    ['no address to go back to', { redirect_url: undefined }, '"redirect_url" wasn&#39;t supplied.'],
    ['a hook without an address', { hook_attributes: { active: false } }, '"url" wasn&#39;t supplied.'],
    [
      'a hook on this machine',
      { hook_attributes: { url: 'http://localhost:8787/webhooks/github', active: false } },
      'Hook url is not supported because it isn&#39;t reachable over the public Internet (localhost)',
    ],
    [
      'a permission that does not exist',
      { default_permissions: { pull_request: 'write' }, default_events: [] },
      'Default permission records resource is not included in the list',
    ],
    [
      'a level that does not exist',
      { default_permissions: { contents: 'admin' }, default_events: [] },
      'Default permission records action is not included in the list',
    ],
    [
      'events that come by themselves',
      { default_events: ['installation'] },
      'Default events unsupported: installation',
    ],
    [
      'comments without the permission for issues',
      { default_permissions: { pull_requests: 'write' }, default_events: ['pull_request', 'issue_comment'] },
      'Default events are not supported by permissions: issue_comment',
    ],
    ['a name of 35 characters', { name: 'x'.repeat(35) }, 'Name is too long (maximum is 34 characters)'],
  ];
  it.each(wrong)('are refused with %s', async (_, change, message) => {
    const reply = await offer({ ...good('wrong'), ...change });
    expect(reply.status).toBe(422);
    const text = (await reply.text()).replaceAll('&quot;', '"');
    expect(text).toContain('The configuration does not appear to be a valid GitHub App manifest.');
    expect(text).toContain(message);
  });

  it('are made by owners only, under names that are free', async () => {
    expect((await confirm(good('members'), 'writer')).status).toBe(404);
    expect((await confirm({ ...good('x'), name: 'Acme' })).status).toBe(422);
    expect((await confirm({ ...good('x'), name: 'Eph' })).status).toBe(422);
  });

  it('give out their secrets once, and only within an hour', async () => {
    const code = await codeOf('once');
    expect((await convert(code)).data).toMatchObject({ slug: 'eph-once', events: good('').default_events });
    expect(await refusal(convert(code))).toMatchObject({ status: 404 });
    const late = await codeOf('late');
    fixture.clock.offsetMs = 3_600_000;
    expect(await refusal(convert(late))).toMatchObject({ status: 404 });
    fixture.clock.offsetMs = 0;
  });

  it('get the events of the repositories they are installed on, each at its own address with its own secret', async () => {
    const { app, data } = await appFrom('hearing');
    await app.octokit.request('PATCH /app/hook/config', { data: { url: `${fixture.receiver.url}?second` } });
    expect((await app.octokit.request('GET /app/installations')).data).toEqual([]);
    expect((await install(fixture.github, 'eph-hearing', 'reader')).status).toBe(404);
    expect((await install(fixture.github, 'eph-hearing', 'admin')).status).toBe(200);
    expect((await install(fixture.github, 'eph-hearing', 'admin')).status).toBe(422);

    await pushBranch(fixture, 'writer', 'acme/shop', 'topic', 'two\n');
    await fixture.as('writer').request('POST /repos/{owner}/{repo}/pulls', {
      owner: 'acme',
      repo: 'shop',
      title: 'T',
      head: 'topic',
      base: 'main',
    });
    await fixture.github.deliveriesDone();
    const opened = fixture.receiver.of('pull_request').map(({ headers }) => headers);
    const targets = opened.map((headers) => Number(headers['x-github-hook-installation-target-id']));
    expect(targets.sort()).toEqual([fixture.github.app.id, data.id].sort());
    expect(new Set(opened.map((headers) => headers['x-hub-signature-256'])).size).toBe(2);
    const own = await app.octokit.request('GET /app/hook/deliveries');
    expect(own.data.map(({ event }) => event)).toEqual(['pull_request', 'installation']);
  });

  it('comment as their own bot, and do not see the other App or its installations', async () => {
    const { app } = await appFrom('separate');
    await install(fixture.github, 'eph-separate', 'admin');
    const [installation] = (await app.octokit.request('GET /app/installations')).data;
    const octokit = await app.getInstallationOctokit(installation?.id ?? 0);
    const { data } = await octokit.request('POST /repos/{owner}/{repo}/issues/{issue_number}/comments', {
      owner: 'acme',
      repo: 'shop',
      issue_number: 1,
      body: 'Hello',
    });
    expect(data.user?.login).toBe('eph-separate[bot]');
    expect(data.performed_via_github_app?.slug).toBe('eph-separate');
    const others = { installation_id: fixture.github.installationId };
    expect(
      await refusal(app.octokit.request('DELETE /app/installations/{installation_id}', others)),
    ).toMatchObject({
      status: 404,
    });
  });

  it('have several keys until one is deleted, and disappear with all of them', async () => {
    const { app, data } = await appFrom('keys');
    const page = `${fixture.github.url}/settings/apps/eph-keys`;
    const post = (path: string) =>
      fetch(`${page}${path}`, {
        method: 'POST',
        body: new URLSearchParams({ as: 'admin' }),
        redirect: 'manual',
      });
    const second = new App({
      appId: data.id,
      privateKey: await (await post('/keys')).text(),
      Octokit: Octokit.defaults({ baseUrl: fixture.github.apiUrl }),
    });
    await Promise.all([app, second].map((one) => one.octokit.request('GET /app')));
    await post('/keys/0/delete');
    expect(await refusal(app.octokit.request('GET /app'))).toMatchObject({ status: 401 });
    await second.octokit.request('GET /app');
    await post('/delete');
    expect(await refusal(second.octokit.request('GET /app'))).toMatchObject({ status: 401 });
  });
});
