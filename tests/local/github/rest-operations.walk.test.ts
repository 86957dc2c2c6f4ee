import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestBranch, type TestBranch } from '../../e2e/test-branch.ts';
import { type Fixture, refusal, startFixture } from './github-fixture.ts';

/** The server itself checks each reply against GitHub's description (`strict`). */
describe('people driving the local GitHub by REST alone', () => {
  let fixture: Fixture;
  let branch: TestBranch;
  const repository = { owner: 'acme', repo: 'made' };

  beforeAll(async () => {
    fixture = await startFixture();
  });
  afterAll(() => fixture.close());

  it('make a repository, write files into a branch and open a pull request', async () => {
    const admin = fixture.as('admin');
    const made = await admin.request('POST /orgs/{org}/repos', {
      org: 'acme',
      name: 'made',
      private: true,
      auto_init: true,
    });
    expect(made.data).toMatchObject({ full_name: 'acme/made', private: true, default_branch: 'main' });
    const writer = fixture.as('writer');
    expect(await refusal(writer.request('POST /orgs/{org}/repos', { org: 'acme', name: 'x' }))).toMatchObject(
      { status: 403 },
    );

    branch = await createTestBranch(writer, { TEST_GITHUB_REPO: 'acme/made' }, 'feature/x');
    await branch.commit('Add compose file', { 'deploy/compose.yaml': 'services: {}\n' });
    const pull = await writer.request('POST /repos/{owner}/{repo}/pulls', {
      ...repository,
      title: 'X',
      head: 'feature/x',
      base: 'main',
    });
    expect(pull.data).toMatchObject({ commits: 1, changed_files: 1, additions: 1, deletions: 0 });
    const sha = await branch.commit('Change it', { 'deploy/compose.yaml': 'services: {web: {}}\n' });
    const after = await writer.request('GET /repos/{owner}/{repo}/pulls/{pull_number}', {
      ...repository,
      pull_number: 1,
    });
    expect(after.data).toMatchObject({ commits: 2, changed_files: 1, head: { sha } });
    const file = await writer.request('GET /repos/{owner}/{repo}/contents/{path}', {
      ...repository,
      path: 'deploy/compose.yaml',
      ref: sha,
      mediaType: { format: 'raw' },
    });
    expect(String(file.data)).toBe('services: {web: {}}\n');
  });

  it('cannot move a branch back without force, nor make one twice', async () => {
    const writer = fixture.as('writer');
    const main = await writer.request('GET /repos/{owner}/{repo}/git/ref/{ref}', {
      ...repository,
      ref: 'heads/main',
    });
    const { sha } = main.data.object;
    const back = { ...repository, ref: 'heads/feature/x', sha };
    expect(await refusal(writer.request('PATCH /repos/{owner}/{repo}/git/refs/{ref}', back))).toMatchObject({
      status: 422,
      message: expect.stringContaining('not a fast forward'),
    });
    expect(
      await refusal(
        writer.request('POST /repos/{owner}/{repo}/git/refs', { ...repository, ref: 'refs/heads/main', sha }),
      ),
    ).toMatchObject({ status: 422, message: expect.stringContaining('already exists') });
  });

  it('read every kind of thing in the form that GitHub describes', async () => {
    const reader = fixture.as('reader');
    const ref = await reader.request('GET /repos/{owner}/{repo}/git/ref/{ref}', {
      ...repository,
      ref: 'heads/feature/x',
    });
    const { sha } = ref.data.object;
    const comment = await reader.request('POST /repos/{owner}/{repo}/issues/{issue_number}/comments', {
      ...repository,
      issue_number: 1,
      body: 'Hi',
    });
    const paths = [
      '/users/writer',
      '/apps/eph',
      '/repos/acme/made/contents/',
      '/repos/acme/made/contents/deploy?ref=feature/x',
      '/repos/acme/made/contents/deploy/compose.yaml?ref=feature/x',
      `/repos/acme/made/commits/${sha}/branches-where-head`,
      `/repos/acme/made/commits/${sha}/pulls`,
      `/repos/acme/made/commits/${sha}/status`,
      `/repos/acme/made/commits/${sha}/statuses`,
      `/repos/acme/made/git/commits/${sha}`,
      `/repos/acme/made/git/trees/${sha}?recursive=1`,
      '/repos/acme/made/deployments',
      '/repos/acme/made/issues/1',
      '/repos/acme/made/issues/1/comments',
      `/repos/acme/made/issues/comments/${comment.data.id}`,
    ];
    for (const path of paths) {
      const reply = await reader.request(`GET ${path}`).catch((error: Error) => `${path}: ${error.message}`);
      expect(reply).toMatchObject({ status: 200 });
    }
    const app = fixture.app.octokit;
    for (const path of ['/app', '/app/hook/config', '/app/installations', '/repos/acme/made/installation']) {
      expect(await app.request(`GET ${path}`), path).toMatchObject({ status: 200 });
    }
    const installed = await fixture.app.getInstallationOctokit(fixture.github.installationId);
    const { data } = await installed.request('GET /installation/repositories');
    expect(data.repositories.map((one) => one.full_name)).toEqual(['acme/made']);
  });

  it('get the name of an operation of GitHub that is not supported here', async () => {
    const { message } = await refusal(fixture.as('reader').request('GET /repos/acme/made/labels'));
    expect(message).toContain('The local GitHub does not do issues/list-labels-for-repo');
  });

  it('read long lists by the Link header', async () => {
    const reader = fixture.as('reader');
    for (let count = 0; count < 3; count += 1) {
      await reader.request('POST /repos/{owner}/{repo}/issues/{issue_number}/comments', {
        ...repository,
        issue_number: 1,
        body: `No. ${count}`,
      });
    }
    const list = { ...repository, issue_number: 1, per_page: 3 };
    const first = await reader.request('GET /repos/{owner}/{repo}/issues/{issue_number}/comments', list);
    expect(first.data).toHaveLength(3);
    const next = /<([^>]+)>; rel="next"/.exec(first.headers.link ?? '')?.[1];
    const second = await reader.request(`GET ${next}`);
    expect(second.data).toHaveLength(1);
  });

  it('close a pull request with its branch', async () => {
    await branch.remove();
    const closed = await fixture.as('reader').request('GET /repos/{owner}/{repo}/pulls/{pull_number}', {
      ...repository,
      pull_number: 1,
    });
    expect(closed.data.state).toBe('closed');
  });

  it('move a repository to another owner, where the App is not installed', async () => {
    const { github } = fixture.github;
    const [made] = [...github.state.repositories.values()];
    if (!made) throw new Error('no repository');
    github.repositories.transfer(made, github.account('admin'), github.account('admin'));
    const installed = await fixture.app.getInstallationOctokit(fixture.github.installationId);
    expect(await refusal(installed.request('GET /repos/{owner}/{repo}', repository))).toMatchObject({
      status: 404,
    });
    await fixture.github.deliveriesDone();
    expect(fixture.receiver.actions('repository')).not.toContain('transferred');
    expect(fixture.receiver.actions('installation_repositories')).toEqual(['removed']);
  });
});
