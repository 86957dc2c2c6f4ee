import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Fixture, pushBranch, startFixture } from './github-fixture.ts';

describe('the page of a pull request', () => {
  let fixture: Fixture;
  const repository = { owner: 'acme', repo: 'shop' };

  beforeAll(async () => {
    fixture = await startFixture();
    await fixture.github.createRepository({ name: 'shop', private: true, files: { 'index.html': 'one\n' } });
    const { sha } = await pushBranch(fixture, 'writer', 'acme/shop', 'topic', 'two\n');
    const create = {
      ...repository,
      title: 'Topic <b>bold</b>',
      head: 'topic',
      base: 'main',
      body: 'Please look',
    };
    await fixture.as('writer').request('POST /repos/{owner}/{repo}/pulls', create);
    const app = await fixture.app.getInstallationOctokit(fixture.github.installationId);
    const body = [
      '<!-- eph:marker -->',
      '| service | URL |',
      '|---|---|',
      '| web | http://shop.example |',
      '',
      '<details><summary>Log</summary>',
      '',
      '```',
      'built <ok>',
      '```',
      '</details>',
      '<script>alert(1)</script>',
    ].join('\n');
    await app.request('POST /repos/{owner}/{repo}/issues/{issue_number}/comments', {
      ...repository,
      issue_number: 1,
      body,
    });
    await app.request('POST /repos/{owner}/{repo}/statuses/{sha}', {
      ...repository,
      sha,
      state: 'success',
      context: 'eph/preview',
      target_url: 'http://shop.example/status',
    });
    const { data } = await app.request('POST /repos/{owner}/{repo}/deployments', {
      ...repository,
      ref: sha,
      environment: 'preview',
      auto_merge: false,
      required_contexts: [],
      transient_environment: true,
    });
    await app.request('POST /repos/{owner}/{repo}/deployments/{deployment_id}/statuses', {
      ...repository,
      deployment_id: 'id' in data ? Number(data.id) : 0,
      state: 'success',
      environment_url: 'http://shop.example/app',
    });
  });
  afterAll(() => fixture.close());

  const page = async (path: string) => (await fetch(`${fixture.github.url}${path}`)).text();

  it('shows comments as people see them: tables and details, no HTML comments, no scripts', async () => {
    const html = await page('/acme/shop/pull/1');
    expect(html).toContain('Topic &lt;b&gt;bold&lt;/b&gt;');
    expect(html).toMatch(/<td>web<\/td>/);
    expect(html).toContain('<details><summary>Log</summary>');
    expect(html).toContain('built &lt;ok&gt;');
    expect(html).not.toContain('eph:marker');
    expect(html).not.toContain('alert(1)');
  });

  it('shows checks with their links and deployments with the button', async () => {
    const html = await page('/acme/shop/pull/1');
    expect(html).toContain('eph/preview');
    expect(html).toContain('href="http://shop.example/status"');
    expect(html).toMatch(/href="http:\/\/shop\.example\/app">View deployment/);
  });

  it('is listed on the repository page, and is 404 where there is none', async () => {
    expect(await page('/acme/shop')).toContain('/acme/shop/pull/1');
    expect(await page('/')).toContain('acme/shop');
    expect((await fetch(`${fixture.github.url}/acme/shop/pull/99`)).status).toBe(404);
  });
});
