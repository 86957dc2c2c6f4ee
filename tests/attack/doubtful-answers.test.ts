import { describe, expect, it } from 'vitest';
import { decodeJob } from '#core/job';
import { GithubError } from '../../local/github/github-error.ts';
import type { PullRequest } from '../../local/github/github-state.ts';
import { createTestPlatform, type TestPlatform } from '../fakes/create-test-platform.ts';
import { instanceOf } from '../fakes/instance-of.ts';
import { addOrganization, createStory, hours, minutes, type Story } from '../fakes/story.ts';

/**
 * What a stranger's repository, a short 404 and a lost webhook may not do: have code run that nobody asked to
 * run, remove a preview or its disk, or leave a false report.
 */
const notFound = new GithubError(404, 'Not Found');
const forbidden = new GithubError(403, 'Resource not accessible by integration');
const forever = Number.POSITIVE_INFINITY;

const opened = (
  installationId: number,
  repository: { id: number; owner: string; name: string },
  number: number,
) =>
  JSON.stringify({
    v: 1,
    kind: 'pull_request',
    delivery: 'forged',
    action: 'opened',
    installationId,
    repository,
    number,
  });

interface Scene {
  story: Story;
  platform: TestPlatform;
  pull: PullRequest;
  disk: string | undefined;
}

/** A preview that serves, of a private repository. */
async function serving(config: Record<string, string> = {}): Promise<Scene> {
  const story = createStory(createTestPlatform({ config }));
  story.repository.private = true;
  const pull = story.openPullRequest();
  await story.platform.advance(minutes(10));
  return { story, platform: story.platform, pull, disk: instanceOf(await story.state(pull)) };
}

/** The tasks of the sweep that ask GitHub may fail meanwhile. */
async function hourly(platform: TestPlatform, times: number): Promise<void> {
  for (let hour = 0; hour < times; hour += 1) {
    for (const task of ['compare', 'due'] as const) await platform.sweep(task).catch(() => undefined);
    await platform.advance(hours(1));
  }
}

describe('a public repository', () => {
  it('of a stranger, who never installed the App, is not run because a message says so', async () => {
    const story = createStory();
    const { platform } = story;
    const mallory = platform.github.addAccount('mallory', 'User');
    const theirs = platform.github.repositories.create(mallory, mallory, { name: 'miner' });
    theirs.branches.set('main', 'a'.repeat(40));
    const pull = story.openPullRequest({ repository: theirs, author: mallory, files: { 'eph.yaml': '' } });
    const repository = { id: theirs.id, owner: 'mallory', name: 'miner' };
    platform.queue.push(opened(story.installation.id, repository, pull.number));
    await hourly(platform, 2);
    expect(platform.calls).not.toContain('ec2 RunInstances');
  });

  it('whose first message names the wrong installation is found by the right one, and gets its reports', async () => {
    const story = createStory();
    const { platform } = story;
    const globex = platform.github.addAccount('globex', 'Organization');
    const theirs = platform.github.installations.create(globex, story.author);
    platform.webhooksFail = true;
    const pull = story.openPullRequest();
    platform.webhooksFail = false;
    const repository = { id: story.repository.id, owner: 'acme', name: 'shop' };
    platform.queue.push(opened(theirs.id, repository, pull.number));
    await platform.advance(minutes(10));
    expect(story.comment(pull)).toContain('Preview is ready');
  });

  it.each<[string, (story: Story) => void]>([
    [
      'taken out of the installation',
      ({ platform, installation, author, repository }) =>
        platform.github.installations.removeRepositories(installation, author, [repository]),
    ],
    [
      'transferred to a stranger',
      ({ platform, author, repository }) =>
        platform.github.repositories.transfer(
          repository,
          author,
          platform.github.addAccount('mallory', 'Organization'),
        ),
    ],
  ])('that is %s without a webhook is not run any longer', async (_what, lose) => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest({ files: { 'eph.yaml': '' } });
    await platform.advance(minutes(10));
    platform.webhooksFail = true;
    lose(story);
    await hourly(platform, 3);
    expect((await story.state(pull)).host?.power).toBe('off');
  });

  it('that is taken out is found although GitHub fails at the moment of the message', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    const token = 'apps/create-installation-access-token';
    platform.github.faults.failNext(token, new GithubError(502, 'Bad Gateway'), 1);
    platform.github.installations.removeRepositories(story.installation, story.author, [story.repository]);
    await platform.advance(minutes(5));
    expect((await story.state(pull)).host?.power).toBe('off');
  });
});

describe('a refusal of GitHub', () => {
  it('of a pull request that was just reopened does not cost its disk, and it comes back', async () => {
    const { story, platform, pull, disk } = await serving({ TERMINATE_AFTER_SECONDS: '3600' });
    story.close(pull);
    await platform.advance(hours(1.1));
    platform.github.faults.failNext('pulls/get', notFound, 2);
    platform.github.faults.failNext('issues/get', notFound, 1);
    story.reopen(pull);
    await platform.advance(minutes(20));
    expect(await story.state(pull)).toMatchObject({
      phase: 'ready',
      host: { handle: { data: { instanceId: disk } } },
    });
  });

  it.each([
    ['404', notFound],
    ['403', forbidden],
  ])(
    'of all pull requests (%s), while the rest of GitHub answers, takes nothing away',
    async (_status, error) => {
      const { story, platform } = await serving();
      const before = await story.whatExists();
      platform.github.faults.failNext('pulls/get', error, forever);
      await hourly(platform, 30);
      expect(await story.whatExists()).toEqual(before);
    },
  );

  it('of tokens and installations by name removes nothing while the App’s list is complete', async () => {
    const { story, platform } = await serving();
    const before = await story.whatExists();
    for (const operation of [
      'apps/create-installation-access-token',
      'apps/get-repo-installation',
      'pulls/get',
    ])
      platform.github.faults.failNext(operation, notFound, forever);
    await hourly(platform, 30);
    expect(await story.whatExists()).toEqual(before);
  });

  it('in the first moment of a push is followed by another try soon', async () => {
    const { story, platform, pull } = await serving();
    platform.github.faults.failNext('pulls/get', notFound, 2);
    const sha = story.push(pull);
    await platform.advance(minutes(5));
    expect(story.status(pull)).toBe(`success: ${sha.slice(0, 7)} is running`);
  });

  it('of one report is followed by tries that make comment, status and deployment true', async () => {
    const story = createStory();
    const { platform, repository } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(1));
    platform.github.faults.failNext('repos/create-deployment-status', notFound, 1);
    platform.github.faults.failNext('repos/create-commit-status', notFound, 1);
    platform.github.faults.failNext('issues/create-comment', forbidden, 1);
    await platform.advance(minutes(10));
    expect(story.status(pull)).toMatch(/^success/);
    expect(story.comment(pull)).toContain('Preview is ready');
    expect(repository.deployments.at(-1)?.statuses.at(-1)?.state).toBe('success');
  });

  it('for half an hour, when a pull request is opened, only delays its preview', async () => {
    const story = createStory();
    const { platform } = story;
    platform.github.faults.failNext('*', notFound, forever);
    const pull = story.openPullRequest();
    await platform.advance(minutes(30));
    platform.github.faults.clear();
    await hourly(platform, 2);
    expect((await story.state(pull)).phase).toBe('ready');
  });
});

describe('a repository', () => {
  it('that moves between two accounts unseen, and whose old name is taken, keeps its disk', async () => {
    const { story, platform, pull, disk } = await serving();
    const buyer = platform.github.addAccount('globex', 'Organization');
    platform.github.installations.create(buyer, story.author);
    platform.config.REPOSITORIES.push('globex/*');
    platform.webhooksFail = true;
    platform.github.repositories.transfer(story.repository, story.author, buyer);
    platform.github.repositories.create(story.organization, story.author, { name: 'shop', private: true });
    await hourly(platform, 26);
    expect(await story.state(pull)).toMatchObject({
      phase: 'ready',
      host: { handle: { data: { instanceId: disk } } },
    });
  });

  it('that is away while its draft is made ready comes back without a webhook', async () => {
    const { story, platform, pull } = await serving({ TERMINATE_AFTER_SECONDS: '0' });
    story.convertToDraft(pull);
    await platform.advance(minutes(10));
    platform.github.installations.suspend(story.installation, story.author);
    await hourly(platform, 3);
    platform.webhooksFail = true;
    story.markReady(pull);
    platform.github.installations.unsuspend(story.installation, story.author);
    await hourly(platform, 2);
    expect((await story.state(pull)).phase).toBe('ready');
  });

  it('of two accounts that lose Eph in one minute is kept, also where one had lost it an hour ago', async () => {
    const { story, platform, pull } = await serving();
    const { github } = platform;
    const { installation: theirs, repository } = addOrganization(story);
    story.openPullRequest({ repository });
    await platform.advance(minutes(10));
    github.installations.suspend(story.installation, story.author);
    await platform.advance(minutes(5));
    github.installations.unsuspend(story.installation, story.author);
    await platform.advance(minutes(90));
    github.installations.suspend(theirs, story.author);
    github.installations.suspend(story.installation, story.author);
    await platform.advance(minutes(5));
    expect((await story.state(pull)).phase).toBe('ready');
    expect(platform.logs).toContainEqual(expect.objectContaining({ message: 'access lost at once' }));
  });
});

describe('a flood of messages', () => {
  it('does not prevent the report that the preview is gone', async () => {
    const { story, platform, pull } = await serving();
    const repository = { id: story.repository.id, owner: 'acme', name: 'shop' };
    const message = opened(story.installation.id, repository, pull.number);
    const flood = async (seconds: number) => {
      for (let tick = 0; tick < seconds * 5; tick += 1) {
        platform.queue.push(message);
        await platform.advance(200);
      }
    };
    await flood(120);
    story.close(pull);
    await flood(300);
    expect((await story.whatExists()).instances).toEqual([]);
    expect(story.comment(pull)).toContain('Preview removed');
  });

  it('with numbers that no table takes is discarded at once', () => {
    for (const id of [1e300, 2 ** 53, 1.5, -1]) {
      expect(decodeJob(opened(id, { id, owner: 'a', name: 'b' }, 1)).ok).toBe(false);
    }
  });
});

describe('the operator', () => {
  it('can pause Eph while GitHub asks for no calls for an hour', async () => {
    const { story, platform, pull } = await serving();
    const reset = Math.floor(platform.clock.now() / 1_000) + 3_000;
    const headers = { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(reset) };
    platform.github.faults.failNext(
      'pulls/get',
      new GithubError(403, 'API rate limit exceeded', { headers }),
      1,
    );
    story.redeliver(pull);
    await platform.deliverAll();
    platform.operator.paused = 'closed';
    await platform.sweep('wake-all');
    await platform.advance(minutes(10));
    expect(await story.whatExists()).toMatchObject({ instances: [], tunnels: [], records: [], hostRows: [] });
  });
});
