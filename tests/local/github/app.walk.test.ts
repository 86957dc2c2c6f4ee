import { execFileSync } from 'node:child_process';
import { createSign, generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GithubError } from '../../../local/github/github-error.ts';
import { type Fixture, pushBranch, refusal, startFixture } from './github-fixture.ts';

describe('the App on the local GitHub', () => {
  let fixture: Fixture;
  let shop: { id: number; sha: string | undefined };
  let books: { id: number };
  const repository = { owner: 'acme', repo: 'shop' };

  beforeAll(async () => {
    fixture = await startFixture();
    const files = {
      'index.html': 'one\n',
      'secret.txt': 'not for the archive',
      '.gitattributes': 'secret.txt export-ignore\n',
    };
    shop = await fixture.github.createRepository({ name: 'shop', private: true, files });
    books = await fixture.github.createRepository({ name: 'books', private: true, files });
    await pushBranch(fixture, 'writer', 'acme/shop', 'topic', 'two\n');
    await fixture.as('writer').request('POST /repos/{owner}/{repo}/pulls', {
      ...repository,
      title: 'Topic',
      head: 'topic',
      base: 'main',
    });
  });
  afterAll(() => fixture.close());

  const installed = () => fixture.app.getInstallationOctokit(fixture.github.installationId);
  const mint = async (scope: object) => {
    const { data } = await fixture.app.octokit.request(
      'POST /app/installations/{installation_id}/access_tokens',
      {
        installation_id: fixture.github.installationId,
        ...scope,
      },
    );
    return data;
  };

  it('gets a long token for an hour, and comments as its bot', async () => {
    const { token } = await mint({});
    expect(token).toMatch(/^ghs_\d+_[\w-]+\.[\w-]+\.[\w-]+$/);
    expect(token.length).toBeGreaterThan(480);
    const octokit = await installed();
    const { data } = await octokit.request('POST /repos/{owner}/{repo}/issues/{issue_number}/comments', {
      ...repository,
      issue_number: 1,
      body: 'Hello',
    });
    expect(data.user?.login).toBe('eph[bot]');
    fixture.clock.offsetMs = 3_601_000;
    expect(
      await refusal(fixture.withToken(token).request('GET /repos/{owner}/{repo}', repository)),
    ).toMatchObject({ status: 401 });
    fixture.clock.offsetMs = 0;
  });

  it('cannot use a narrowed token beyond its limits', async () => {
    const { token } = await mint({ repository_ids: [shop.id], permissions: { contents: 'read' } });
    const narrowed = fixture.withToken(token);
    await narrowed.request('GET /repos/{owner}/{repo}/contents/{path}', {
      ...repository,
      path: 'index.html',
    });
    const comment = narrowed.request('POST /repos/{owner}/{repo}/issues/{issue_number}/comments', {
      ...repository,
      issue_number: 1,
      body: 'no',
    });
    expect(await refusal(comment)).toMatchObject({
      status: 403,
      message: expect.stringContaining('Resource not accessible by integration'),
    });
    expect(
      await refusal(narrowed.request('GET /repos/{owner}/{repo}', { owner: 'acme', repo: 'books' })),
    ).toMatchObject({ status: 404 });
    // execFileSync would block: the server runs in this process.
    const address = fixture.github.url.replace('://', `://x-access-token:${token}@`);
    const remote = (name: string) =>
      fixture.git(fixture.folder, 'ls-remote', `${address}/acme/${name}.git`, 'HEAD');
    expect(await remote('shop')).toContain(shop.sha);
    await expect(remote('books')).rejects.toThrow(/not found/);
  });

  it('is refused scopes beyond its own', async () => {
    expect(await refusal(mint({ permissions: { administration: 'write' } }))).toMatchObject({ status: 422 });
    expect(await refusal(mint({ repository_ids: [1] }))).toMatchObject({ status: 422 });
  });

  it('is refused web tokens that live too long, are signed with another key or name another App', async () => {
    const seconds = Math.floor(Date.now() / 1000);
    const call = (claims: object, key = fixture.github.app.privateKey) => {
      const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
      const head = `${encode({ alg: 'RS256', typ: 'JWT' })}.${encode({ iat: seconds, exp: seconds + 300, iss: fixture.github.app.id, ...claims })}`;
      const signature = createSign('RSA-SHA256').update(head).sign(key, 'base64url');
      return fetch(`${fixture.github.apiUrl}/app`, {
        headers: { authorization: `Bearer ${head}.${signature}` },
      });
    };
    expect((await call({})).status).toBe(200);
    expect(await (await call({ exp: seconds + 3600 })).json()).toMatchObject({
      message: expect.stringContaining('too far in the future'),
    });
    expect((await call({ exp: seconds - 5 })).status).toBe(401);
    expect((await call({ iss: 1 })).status).toBe(401);
    const { privateKey } = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    });
    expect((await call({}, privateKey)).status).toBe(401);
  });

  it('loses all access with a suspension and gets it back', async () => {
    const octokit = await installed();
    const { github } = fixture.github;
    const installation = github.installations.get(fixture.github.installationId);
    github.installations.suspend(installation, github.account('admin'));
    expect(await refusal(mint({}))).toMatchObject({
      status: 403,
      message: expect.stringContaining('suspended'),
    });
    github.installations.unsuspend(installation, github.account('admin'));
    await octokit.request('GET /repos/{owner}/{repo}', repository);
    await fixture.github.deliveriesDone();
    expect(fixture.receiver.actions('installation')).toEqual(['created', 'suspend', 'unsuspend']);
  });

  it('fetches an archive from an address that needs no token and lives five minutes', async () => {
    const octokit = await installed();
    const { headers, status } = await octokit.request('GET /repos/{owner}/{repo}/tarball/{ref}', {
      ...repository,
      ref: shop.sha ?? '',
      request: { redirect: 'manual' },
    });
    expect(Number(status)).toBe(302);
    const address = headers.location ?? '';
    const bytes = new Uint8Array(await (await fetch(address)).arrayBuffer());
    const names = execFileSync('tar', ['tz'], { input: bytes, encoding: 'utf8' });
    expect(names).toContain(`acme-shop-${shop.sha?.slice(0, 7)}/index.html`);
    expect(names).not.toContain('secret.txt');
    expect((await fetch(address.replace('token=', 'token=A'))).status).toBe(404);
    fixture.clock.offsetMs = 5 * 60_000 + 1;
    expect((await fetch(address)).status).toBe(404);
    fixture.clock.offsetMs = 0;
  });

  it('finds a renamed repository through the redirect, and by its id for ever', async () => {
    const octokit = await installed();
    const { github } = fixture.github;
    const renamed = github.state.repositories.get(books.id);
    if (!renamed) throw new Error('no repository');
    github.repositories.update(renamed, github.account('admin'), { name: 'library' });
    const { data } = await octokit.request('GET /repos/{owner}/{repo}', { owner: 'acme', repo: 'books' });
    expect(data).toMatchObject({ id: books.id, full_name: 'acme/library' });
    const byId = await octokit.request('GET /repositories/{id}', { id: books.id });
    expect(byId.data).toMatchObject({ full_name: 'acme/library' });
    await fixture.github.deliveriesDone();
    expect(fixture.receiver.of('repository').at(-1)?.payload).toMatchObject({
      action: 'renamed',
      changes: { repository: { name: { from: 'books' } } },
    });
  });

  it('is stopped after 80 writes in a minute, told when to come back, and accepted again then', async () => {
    const octokit = await installed();
    const write = () =>
      octokit.request('PATCH /repos/{owner}/{repo}/pulls/{pull_number}', {
        ...repository,
        pull_number: 1,
        body: 'again',
      });
    fixture.clock.offsetMs = 120_000;
    for (let count = 0; count < 80; count += 1) await write();
    const { status, headers } = await refusal(write());
    expect(status).toBe(403);
    expect(Number(headers['retry-after'])).toBeGreaterThan(0);
    fixture.clock.offsetMs += Number(headers['retry-after']) * 1000;
    await write();
    fixture.clock.offsetMs = 0;
  });

  it('gets the faults that a test has planned', async () => {
    const octokit = await installed();
    fixture.github.faults.api.failNext('pulls/get', new GithubError(502, 'Server Error'));
    const get = () =>
      octokit.request('GET /repos/{owner}/{repo}/pulls/{pull_number}', { ...repository, pull_number: 1 });
    expect(await refusal(get())).toMatchObject({ status: 502 });
    await get();
  });
});

describe('deployments and statuses on the local GitHub', () => {
  let fixture: Fixture;
  let sha = '';
  const repository = { owner: 'acme', repo: 'shop' };
  const plain = {
    auto_merge: false,
    required_contexts: [],
    environment: 'preview',
    transient_environment: true,
    production_environment: false,
  };

  beforeAll(async () => {
    fixture = await startFixture();
    await fixture.github.createRepository({ name: 'shop', private: true, files: { 'index.html': 'one\n' } });
    ({ sha } = await pushBranch(fixture, 'writer', 'acme/shop', 'topic', 'two\n'));
  });
  afterAll(() => fixture.close());

  const installed = () => fixture.app.getInstallationOctokit(fixture.github.installationId);

  it('refuses a deployment of a commit with an unfinished check, unless no context is required', async () => {
    const octokit = await installed();
    await octokit.request('POST /repos/{owner}/{repo}/statuses/{sha}', {
      ...repository,
      sha,
      state: 'pending',
      context: 'ci',
    });
    const all = octokit.request('POST /repos/{owner}/{repo}/deployments', { ...repository, ref: sha });
    expect(await refusal(all)).toMatchObject({
      status: 409,
      message: expect.stringContaining('Commit status checks failed'),
    });
    const { status } = await octokit.request('POST /repos/{owner}/{repo}/deployments', {
      ...repository,
      ref: sha,
      ...plain,
    });
    expect(status).toBe(201);
  });

  it('merges the default branch into a branch that is deployed without auto_merge: false', async () => {
    const { sha: before } = await pushBranch(fixture, 'writer', 'acme/shop', 'behind', 'one\n\nthree\n');
    const main = await fixture.clone('writer', 'acme/shop');
    await fixture.write(main, 'other.txt', 'main moved on');
    await fixture.git(main, 'add', '.');
    await fixture.git(main, 'commit', '--quiet', '-m', 'Move on');
    await fixture.git(main, 'push', '--quiet', 'origin', 'main');
    const octokit = await installed();
    const { status } = await octokit.request('POST /repos/{owner}/{repo}/deployments', {
      ...repository,
      ref: 'behind',
      required_contexts: [],
    });
    expect(status).toBe(202);
    const { data } = await octokit.request('GET /repos/{owner}/{repo}/git/ref/{ref}', {
      ...repository,
      ref: 'heads/behind',
    });
    expect(data.object.sha).not.toBe(before);
  });

  it('leaves transient deployments active when a newer one succeeds', async () => {
    const octokit = await installed();
    const deploy = async (transient: boolean): Promise<number> => {
      const { data } = await octokit.request('POST /repos/{owner}/{repo}/deployments', {
        ...repository,
        ref: sha,
        ...plain,
        environment: `e-${transient}`,
        transient_environment: transient,
      });
      const id = 'id' in data ? Number(data.id) : 0;
      await octokit.request('POST /repos/{owner}/{repo}/deployments/{deployment_id}/statuses', {
        ...repository,
        deployment_id: id,
        state: 'success',
        environment_url: 'http://shop.example',
      });
      return id;
    };
    const stateOf = async (id: number) => {
      const { data } = await octokit.request(
        'GET /repos/{owner}/{repo}/deployments/{deployment_id}/statuses',
        { ...repository, deployment_id: id },
      );
      return data[0]?.state;
    };
    const [transient, lasting] = [await deploy(true), await deploy(false)];
    await deploy(true);
    await deploy(false);
    expect(await stateOf(transient)).toBe('success');
    expect(await stateOf(lasting)).toBe('inactive');
  });

  it('accepts a thousand statuses for a commit and context, and no more', async () => {
    const { github } = fixture.github;
    const shop = [...github.state.repositories.values()][0];
    if (!shop) throw new Error('no repository');
    const wanted = { sha, state: 'pending', context: 'many', description: null, targetUrl: null } as const;
    for (let count = 0; count < 1000; count += 1) github.statuses.create(shop, github.state.app.bot, wanted);
    const octokit = await installed();
    const more = octokit.request('POST /repos/{owner}/{repo}/statuses/{sha}', {
      ...repository,
      sha,
      state: 'success',
      context: 'many',
    });
    expect(await refusal(more)).toMatchObject({
      status: 422,
      message: expect.stringContaining('maximum number of statuses'),
    });
  });
});
