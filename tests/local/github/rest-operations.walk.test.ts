import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Fixture, refusal, startFixture } from './github-fixture.ts';

/** Each reply is held against GitHub's description by the server itself (`strict`). */
describe('people driving the local GitHub by REST alone', () => {
  let fixture: Fixture;
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
    expect(
      await refusal(fixture.as('writer').request('POST /orgs/{org}/repos', { org: 'acme', name: 'x' })),
    ).toMatchObject({ status: 403 });

    const writer = fixture.as('writer');
    const main = await writer.request('GET /repos/{owner}/{repo}/git/ref/{ref}', {
      ...repository,
      ref: 'heads/main',
    });
    await writer.request('POST /repos/{owner}/{repo}/git/refs', {
      ...repository,
      ref: 'refs/heads/feature/x',
      sha: main.data.object.sha,
    });
    const content = (text: string) => Buffer.from(text).toString('base64');
    const put = await writer.request('PUT /repos/{owner}/{repo}/contents/{path}', {
      ...repository,
      path: 'deploy/compose.yaml',
      branch: 'feature/x',
      message: 'Add compose file',
      content: content('services: {}\n'),
    });
    const pull = await writer.request('POST /repos/{owner}/{repo}/pulls', {
      ...repository,
      title: 'X',
      head: 'feature/x',
      base: 'main',
    });
    expect(pull.data.changed_files).toBe(1);
    await writer.request('PUT /repos/{owner}/{repo}/contents/{path}', {
      ...repository,
      path: 'deploy/compose.yaml',
      branch: 'feature/x',
      message: 'Change it',
      content: content('services: {web: {}}\n'),
      sha: put.data.content?.sha ?? '',
    });
    const after = await writer.request('GET /repos/{owner}/{repo}/pulls/{pull_number}', {
      ...repository,
      pull_number: 1,
    });
    expect(after.data.commits).toBe(2);
    const stale = writer.request('PUT /repos/{owner}/{repo}/contents/{path}', {
      ...repository,
      path: 'deploy/compose.yaml',
      branch: 'feature/x',
      message: 'Too late',
      content: content('x'),
      sha: put.data.content?.sha ?? '',
    });
    expect(await refusal(stale)).toMatchObject({ status: 409 });
  });

  it('build commits from blobs and trees', async () => {
    const writer = fixture.as('writer');
    const head = await writer.request('GET /repos/{owner}/{repo}/commits/{ref}', {
      ...repository,
      ref: 'feature/x',
    });
    const blob = await writer.request('POST /repos/{owner}/{repo}/git/blobs', {
      ...repository,
      content: 'hello',
    });
    const tree = await writer.request('POST /repos/{owner}/{repo}/git/trees', {
      ...repository,
      base_tree: head.data.commit.tree.sha,
      tree: [{ path: 'hello.txt', mode: '100644', type: 'blob', sha: blob.data.sha }],
    });
    const commit = await writer.request('POST /repos/{owner}/{repo}/git/commits', {
      ...repository,
      message: 'Hello',
      tree: tree.data.sha,
      parents: [head.data.sha],
    });
    await writer.request('PATCH /repos/{owner}/{repo}/git/refs/{ref}', {
      ...repository,
      ref: 'heads/feature/x',
      sha: commit.data.sha,
    });
    const pull = await writer.request('GET /repos/{owner}/{repo}/pulls/{pull_number}', {
      ...repository,
      pull_number: 1,
    });
    expect(pull.data.head.sha).toBe(commit.data.sha);
    const file = await writer.request('GET /repos/{owner}/{repo}/contents/{path}', {
      ...repository,
      path: 'hello.txt',
      ref: commit.data.sha,
      mediaType: { format: 'raw' },
    });
    expect(String(file.data)).toBe('hello');
  });

  it('read every kind of thing in the form that GitHub describes', async () => {
    const reader = fixture.as('reader');
    const sha = (
      await reader.request('GET /repos/{owner}/{repo}/branches/{branch}', {
        ...repository,
        branch: 'feature/x',
      })
    ).data.commit.sha;
    const comment = await reader.request('POST /repos/{owner}/{repo}/issues/{issue_number}/comments', {
      ...repository,
      issue_number: 1,
      body: 'Hi',
    });
    await reader.request('POST /repos/{owner}/{repo}/issues/comments/{comment_id}/reactions', {
      ...repository,
      comment_id: comment.data.id,
      content: 'eyes',
    });
    const paths = [
      '/user',
      '/users/writer',
      '/user/repos',
      '/rate_limit',
      '/orgs/acme/repos',
      '/repos/acme/made/branches',
      '/repos/acme/made/collaborators',
      '/repos/acme/made/collaborators/writer/permission',
      '/repos/acme/made/contents/',
      '/repos/acme/made/contents/deploy?ref=feature/x',
      '/repos/acme/made/contents/deploy/compose.yaml?ref=feature/x',
      `/repos/acme/made/commits/${sha}/status`,
      `/repos/acme/made/commits/${sha}/statuses`,
      `/repos/acme/made/git/trees/${sha}?recursive=1`,
      '/repos/acme/made/deployments',
      '/repos/acme/made/environments',
      '/repos/acme/made/forks',
      '/repos/acme/made/labels',
      '/repos/acme/made/pulls?state=all',
      '/repos/acme/made/pulls/1/commits',
      '/repos/acme/made/pulls/1/files',
      '/repos/acme/made/issues/1',
      '/repos/acme/made/issues/1/comments',
      `/repos/acme/made/issues/comments/${comment.data.id}`,
      `/repos/acme/made/issues/comments/${comment.data.id}/reactions`,
    ];
    for (const path of paths) {
      const reply = await reader.request(`GET ${path}`).catch((error: Error) => `${path}: ${error.message}`);
      expect(reply).toMatchObject({ status: 200 });
    }
    const app = fixture.app.octokit;
    for (const path of [
      '/app',
      '/app/hook/config',
      '/app/installations',
      '/orgs/acme/installation',
      '/repos/acme/made/installation',
    ]) {
      expect(await app.request(`GET ${path}`), path).toMatchObject({ status: 200 });
    }
    const installed = await fixture.app.getInstallationOctokit(fixture.github.installationId);
    const { data } = await installed.request('GET /installation/repositories');
    expect(data.repositories.map((one) => one.full_name)).toEqual(['acme/made']);
  });

  it('rename a label everywhere it is used, and make an environment before anything is deployed to it', async () => {
    const admin = fixture.as('admin');
    const issue = { ...repository, issue_number: 1 };
    await admin.request('POST /repos/{owner}/{repo}/labels', { ...repository, name: 'wip', color: 'aaaaaa' });
    await admin.request('POST /repos/{owner}/{repo}/labels', { ...repository, name: 'taken' });
    await admin.request('POST /repos/{owner}/{repo}/issues/{issue_number}/labels', {
      ...issue,
      labels: ['wip'],
    });
    const rename = (new_name: string) =>
      admin.request('PATCH /repos/{owner}/{repo}/labels/{name}', { ...repository, name: 'wip', new_name });
    expect(await refusal(rename('taken'))).toMatchObject({ status: 422 });
    expect((await rename('draft')).data).toMatchObject({ name: 'draft', color: 'aaaaaa' });
    const { data } = await admin.request('GET /repos/{owner}/{repo}/issues/{issue_number}/labels', issue);
    expect(data.map(({ name }) => name)).toContain('draft');
    const environment = { ...repository, environment_name: 'early' };
    await admin.request('PUT /repos/{owner}/{repo}/environments/{environment_name}', environment);
    const read = await admin.request(
      'GET /repos/{owner}/{repo}/environments/{environment_name}',
      environment,
    );
    expect(read.data.name).toBe('early');
  });

  it('walk long lists by the Link header', async () => {
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

  it('move a repository to another owner, where the App is not installed', async () => {
    const admin = fixture.as('admin');
    await admin.request('POST /repos/{owner}/{repo}/transfer', { ...repository, new_owner: 'admin' });
    const installed = await fixture.app.getInstallationOctokit(fixture.github.installationId);
    expect(await refusal(installed.request('GET /repos/{owner}/{repo}', repository))).toMatchObject({
      status: 404,
    });
    await fixture.github.deliveriesDone();
    expect(fixture.receiver.actions('repository')).not.toContain('transferred');
    expect(fixture.receiver.actions('installation_repositories')).toEqual(['removed']);
  });
});
