import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { RepositoryRef } from '../../../lambdas/ports.ts';
import type { GithubWire, NumberedQuestion } from '../../../lambdas/providers/github/github-wire.ts';
import { octokitGithub } from '../../../lambdas/providers/github/octokit-github.ts';
import { GithubError } from '../../../local/github/github-error.ts';
import type { Account, PullRequest, Repository } from '../../../local/github/github-state.ts';
import { type RunningGithub, startGithub } from '../../../local/github/start-github.ts';
import { fakeGithubWire } from '../../fakes/fake-github-wire.ts';
import { atOnce } from '../../fakes/wire.ts';

const EPH_YAML = 'compose: compose.yaml\n';
let folder: string;
let running: RunningGithub;
let ref: RepositoryRef;
let repository: Repository;
let admin: Account;
let sha: string;
let created = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'eph-contract-'));
  running = await startGithub({ dataDir: folder });
});
afterAll(async () => {
  await running?.close();
  await rm(folder, { recursive: true, force: true });
});

beforeEach(async () => {
  created += 1;
  running.faults.api.clear();
  const name = `shop-${created}`;
  const made = await running.createRepository({ name, private: true, files: { 'eph.yaml': EPH_YAML } });
  const found = running.github.state.repositories.get(made.id);
  if (!found || !made.sha) throw new Error('the repository was not made');
  repository = found;
  sha = made.sha;
  admin = running.github.account('admin');
  ref = { repositoryId: found.id, access: String(running.installationId), owner: running.owner, name };
});

function open(author = admin): PullRequest {
  repository.branches.set('feature', sha);
  return running.github.pulls.create(repository, author, {
    title: 'A change',
    body: null,
    head: { repository, branch: 'feature' },
    base: 'main',
    draft: false,
  });
}

const about = (number: number): NumberedQuestion => ({
  repositoryId: repository.id,
  number,
  confirmed: undefined,
  said: ref,
  freshly: false,
});

const kinds: [string, () => GithubWire][] = [
  [
    'the fake',
    () =>
      fakeGithubWire(running.github, {
        now: Date.now,
        files: (commit) => (commit === sha ? { 'eph.yaml': EPH_YAML } : {}),
      })(atOnce),
  ],
  [
    'Octokit',
    () =>
      octokitGithub({
        apiUrl: running.apiUrl,
        appId: running.app.id,
        privateKey: running.app.privateKey,
        now: Date.now,
      }),
  ],
];

describe.each(kinds)('pull requests with %s', (_with, make) => {
  it('are read as they are', async () => {
    const pull = open();
    expect(await make().read(about(pull.number))).toEqual({
      kind: 'known',
      access: String(running.installationId),
      pull: {
        state: 'open',
        merged: false,
        sha,
        branch: 'feature',
        baseBranch: 'main',
        draft: false,
        fork: false,
        bot: false,
        archived: false,
        author: 'admin',
        title: 'A change',
        owner: running.owner,
        repository: ref.name,
      },
    });
    running.github.pulls.close(repository, pull, admin);
    expect(await make().read(about(pull.number))).toMatchObject({
      pull: { state: 'closed', merged: false },
    });
  });

  it('are not found in a repository that has no such number', async () => {
    expect(await make().read(about(999))).toEqual({ kind: 'no-pull' });
  });

  it('are found by the repository’s id where the names in the message are wrong', async () => {
    const pull = open();
    const found = { kind: 'known', access: String(running.installationId), pull: { repository: ref.name } };
    const said = async (changes: Partial<RepositoryRef>) =>
      make().read({ ...about(pull.number), said: { ...ref, ...changes } });
    expect(await said({ name: 'nowhere' })).toMatchObject(found);
    await running.createRepository({ name: `${ref.name}-other`, private: false });
    expect(await said({ name: `${ref.name}-other` })).toMatchObject(found);
    // GitHub itself answers which installation has a repository of that name.
    expect(await said({ access: '1' })).toMatchObject(found);
  });

  it('are not taken for another repository’s, and lost access is not proved where it was never confirmed', async () => {
    const pull = open();
    const invented = { ...ref, repositoryId: repository.id + 12_345 };
    const question = { ...about(pull.number), repositoryId: invented.repositoryId, said: invented };
    expect(await make().read(question)).toMatchObject({ kind: 'unknown' });
    const nowhere = { ...ref, access: '1', name: 'nowhere' };
    expect(await make().read({ ...about(pull.number), said: nowhere })).toMatchObject({ kind: 'unknown' });
  });

  it('are proved to be out of reach when deleted, taken out, suspended or uninstalled', async () => {
    const { github } = running;
    const pull = open();
    const question = { ...about(pull.number), confirmed: ref };
    const installation = github.installations.get(running.installationId);
    const port = make();
    expect(await port.read(question)).toMatchObject({ kind: 'known' });
    github.installations.suspend(installation, admin);
    try {
      expect(await port.read(question)).toEqual({ kind: 'no-access', lostAccess: String(installation.id) });
    } finally {
      github.installations.unsuspend(installation, admin);
    }
    github.repositories.remove(repository, admin);
    expect(await port.read(question)).toEqual({ kind: 'no-access' });
    const gone = { ...ref, access: '1' };
    expect(await port.read({ ...question, confirmed: gone, said: gone })).toEqual({
      kind: 'no-access',
      lostAccess: '1',
    });
  });

  it('of a public repository that was taken out are out of reach, although anybody can read it', async () => {
    const { github } = running;
    const pull = open();
    repository.private = false;
    const installation = github.installations.get(running.installationId);
    const { selection, repositoryIds } = installation;
    const port = make();
    github.installations.removeRepositories(installation, admin, [repository]);
    try {
      const question = { ...about(pull.number), confirmed: ref };
      expect(await port.read({ ...question, freshly: true })).toEqual({ kind: 'no-access' });
      expect(await port.read(question)).toEqual({ kind: 'no-access' });
      const told = port.setStatus(ref, sha, { state: 'pending', description: 'x' });
      await expect(told).rejects.toMatchObject({ kind: 'transient', code: 'github_no_access' });
    } finally {
      Object.assign(installation, { selection, repositoryIds });
    }
  });

  it('of a public repository of a stranger, who never installed the App, are not known', async () => {
    const stranger = running.github.addAccount(`stranger-${created}`, 'User');
    const theirs = running.github.repositories.create(stranger, stranger, { name: 'miner' });
    theirs.branches.set('main', sha);
    theirs.branches.set('feature', sha);
    const pull = running.github.pulls.create(theirs, stranger, {
      title: 'Free machines',
      body: null,
      head: { repository: theirs, branch: 'feature' },
      base: 'main',
      draft: false,
    });
    const said = { ...ref, repositoryId: theirs.id, owner: stranger.login, name: 'miner' };
    const question = { ...about(pull.number), repositoryId: theirs.id, said };
    expect(await make().read(question)).toMatchObject({ kind: 'unknown' });
  });

  it('prove nothing while GitHub answers 404 for everything, or does not know the App’s key', async () => {
    const pull = open();
    const question = { ...about(pull.number), confirmed: ref };
    for (const status of [404, 401]) {
      const port = make();
      running.faults.api.failNext('*', new GithubError(status, 'no'), 20);
      expect(await port.read(question)).toMatchObject({ kind: 'unknown' });
      running.faults.api.clear();
    }
  });

  it('are found under the old name of a repository', async () => {
    const pull = open();
    running.github.repositories.update(repository, admin, { name: `${ref.name}-new` });
    const read = await make().read(about(pull.number));
    expect(read).toMatchObject({ kind: 'known', pull: { repository: `${ref.name}-new` } });
    await make().setStatus(ref, sha, { state: 'pending', description: 'x' });
    expect(running.github.statuses.latest(repository, sha)).toHaveLength(1);
  });

  it('are distinguished from a merge queue, and found by the commit that is their head', async () => {
    const port = make();
    const pull = open();
    expect(await port.openPullsOf(ref, sha)).toEqual([pull.number]);
    expect(await port.isInMergeQueue(ref, sha)).toBe(false);
    repository.branches.set('gh-readonly-queue/main/pr-1-abc', sha);
    expect(await port.isInMergeQueue(ref, sha)).toBe(true);
    running.github.pulls.close(repository, pull, admin);
    expect(await port.openPullsOf(ref, sha)).toEqual([]);
  });

  it('do not get a deleted comment back where none may be made', async () => {
    const port = make();
    const pull = open();
    const write = (commentId: number | undefined, mayCreate: boolean) =>
      port.upsertComment(ref, pull.number, { commentId, marker: 'm', body: 'm', mayCreate });
    const { id } = await write(undefined, true);
    pull.comments = [];
    expect(await write(id, false)).toEqual({ id, body: undefined });
    expect(await port.readComment(ref, id)).toBeUndefined();
    expect(pull.comments).toEqual([]);
  });

  it('have files, an archive and a narrow token', async () => {
    const port = make();
    expect(await port.readRoot(ref, sha)).toEqual(['eph.yaml']);
    expect(await port.readFile(ref, sha, 'eph.yaml')).toBe(EPH_YAML);
    expect(await port.archiveUrl(ref, sha)).toMatch(/^https?:\/\/.*[?&]token=/);
    const { url, token } = await port.checkoutToken(ref);
    expect(url).toMatch(new RegExp(`/${running.owner}/${ref.name}\\.git$`));
    expect(token).toMatch(/^ghs_/);
  });

  it('have one comment of Eph, by its id, else by marker and author, else a new one', async () => {
    const port = make();
    const pull = open();
    const marker = '<!-- eph:test:1#1 -->';
    const impostor = running.github.comments.create(repository, pull, admin, `${marker} not ours`);
    const { id } = await port.upsertComment(ref, pull.number, {
      commentId: undefined,
      marker: marker,
      body: `${marker}\none`,
      mayCreate: true,
    });
    expect(id).not.toBe(impostor.id);
    expect(
      await port.upsertComment(ref, pull.number, {
        commentId: undefined,
        marker: marker,
        body: `${marker}\ntwo`,
        mayCreate: true,
      }),
    ).toEqual({ id, body: `${marker}\ntwo` });
    expect(
      await port.upsertComment(ref, pull.number, {
        commentId: id,
        marker: marker,
        body: `${marker}\nthree`,
        mayCreate: true,
      }),
    ).toEqual({ id, body: `${marker}\nthree` });
    expect(await port.readComment(ref, id)).toBe(`${marker}\nthree`);
    expect(pull.comments.map(({ body }) => body)).toEqual([`${marker} not ours`, `${marker}\nthree`]);

    pull.comments = pull.comments.filter((comment) => comment.id !== id);
    const again = await port.upsertComment(ref, pull.number, {
      commentId: id,
      marker: marker,
      body: `${marker}\nfour`,
      mayCreate: true,
    });
    expect(again.id).not.toBe(id);
    expect(pull.comments).toHaveLength(2);

    // One took effect late; all of several are found, and none of other authors.
    const late = running.github.comments.create(
      repository,
      pull,
      running.github.state.app.bot,
      `${marker}\nlate`,
    );
    expect(await port.findComments(ref, pull.number, marker)).toEqual([again.id, late.id]);
    await port.deleteComment(ref, late.id);
    await port.deleteComment(ref, late.id);
    expect(await port.findComments(ref, pull.number, marker)).toEqual([again.id]);
    expect(pull.comments).toHaveLength(2);
  });

  it('have one comment of Eph, also behind a full page of other people’s', async () => {
    const port = make();
    const pull = open();
    for (let count = 0; count < 100; count += 1) {
      running.github.comments.create(repository, pull, admin, 'What about this?');
    }
    const marker = '<!-- eph:test:1#1 -->';
    const { bot } = running.github.state.app;
    const { id } = running.github.comments.create(repository, pull, bot, `${marker}\nours`);
    expect(await port.findComments(ref, pull.number, marker)).toEqual([id]);
  });

  it('have a status and deployments that are found again by their commit', async () => {
    const port = make();
    const status = { state: 'success', description: 'is running', url: 'https://x.example.com' } as const;
    expect(await port.readStatus(ref, sha)).toBeUndefined();
    expect(await port.setStatus(ref, sha, status)).toEqual(status);
    expect(await port.readStatus(ref, sha)).toEqual(status);
    expect(running.github.statuses.latest(repository, sha)).toMatchObject([
      { state: 'success', context: 'eph/preview', targetUrl: 'https://x.example.com' },
    ]);
    expect(await port.findDeployments(ref, sha, 'preview')).toEqual([]);
    const { id } = await port.createDeployment(ref, sha, 'preview', 'test:1#1');
    const other = await port.createDeployment(ref, sha, 'preview', 'test:1#2');
    expect(await port.findDeployments(ref, sha, 'preview')).toEqual([
      { id: other.id, mark: 'test:1#2' },
      { id, mark: 'test:1#1' },
    ]);
    expect(await port.readDeploymentState(ref, id)).toBeUndefined();
    expect(await port.readDeploymentState(ref, id + 1_000_000)).toBeUndefined();
    await port.setDeploymentStatus(ref, id, {
      state: 'success',
      description: 'is running',
      url: 'https://x.example.com',
    });
    expect(await port.readDeploymentState(ref, id)).toBe('success');
    expect(repository.deployments[0]).toMatchObject({
      id,
      sha,
      environment: 'preview',
      transient: true,
      production: false,
    });
    expect(repository.deployments[0]?.statuses.at(-1)).toMatchObject({
      state: 'success',
      environmentUrl: 'https://x.example.com',
    });
  });

  it('fail for good when refused, for a time in an outage, and for a known time at a rate limit', async () => {
    const pull = open();
    const tell = () =>
      make().upsertComment(ref, pull.number, {
        commentId: undefined,
        marker: 'm',
        body: 'm',
        mayCreate: true,
      });
    const { api } = running.faults;
    api.failNext('issues/create-comment', new GithubError(403, 'Resource not accessible by integration'));
    await expect(tell()).rejects.toMatchObject({ kind: 'permanent', code: 'github_403' });
    api.failNext('*', new GithubError(502, 'Bad Gateway'));
    await expect(tell()).rejects.toMatchObject({ kind: 'transient', code: 'github_502' });
    const headers = { 'retry-after': '42' };
    api.failNext('*', new GithubError(403, 'You have exceeded a secondary rate limit', { headers }));
    await expect(tell()).rejects.toMatchObject({
      kind: 'transient',
      code: 'github_rate_limit',
      retryAfter: 42_000,
    });
    api.failNext(
      '*',
      new GithubError(403, 'API rate limit exceeded', { headers: { 'x-ratelimit-remaining': '0' } }),
    );
    await expect(tell()).rejects.toMatchObject({ code: 'github_rate_limit' });
  });

  it('of an archived repository can be read, but not reported on', async () => {
    const pull = open();
    running.github.repositories.update(repository, admin, { archived: true });
    const read = await make().read(about(pull.number));
    expect(read).toMatchObject({ pull: { archived: true } });
    const told = make().setStatus(ref, sha, { state: 'pending', description: 'x' });
    await expect(told).rejects.toMatchObject({ kind: 'permanent' });
  });
});
