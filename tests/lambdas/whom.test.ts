import { describe, expect, it } from 'vitest';
import { GithubError } from '../../local/github/github-error.ts';
import type { PullRequest } from '../../local/github/github-state.ts';
import { createTestPlatform, type TestPlatform } from '../fakes/create-test-platform.ts';
import { instanceOf } from '../fakes/instance-of.ts';
import { addOrganization, createStory, hours, minutes, nothing, type Story } from '../fakes/story.ts';

const unlisted = () => createStory(createTestPlatform({ config: { REPOSITORIES: 'other/*' } }));

function fork(story: Story) {
  const { platform, repository } = story;
  const stranger = platform.github.addAccount('eve', 'User');
  return platform.github.repositories.create(stranger, stranger, { name: 'shop', parentId: repository.id });
}

async function expectNotDeployed(story: Story): Promise<void> {
  await story.platform.advance(minutes(10));
  expect(story.platform.calls).not.toContain('ec2 RunInstances');
  expect(await story.whatExists()).toEqual(nothing);
}

/** The parts of the sweep that ask GitHub itself fail meanwhile; the others go on. */
async function sweepAnyway(platform: TestPlatform): Promise<void> {
  for (const task of ['compare', 'due'] as const) await platform.sweep(task).catch(() => undefined);
}

describe('not deployed', () => {
  it('is a fork, and one sentence says why, also after another push', async () => {
    const story = createStory();
    const pull = story.openPullRequest({ from: fork(story) });
    await expectNotDeployed(story);
    story.push(pull);
    await expectNotDeployed(story);
    expect(pull.comments.map(({ body }) => body)).toEqual([expect.stringContaining('comes from a fork')]);
  });

  it('is a fork that was deleted (its head repository is null)', async () => {
    const story = createStory();
    const from = fork(story);
    const pull = story.openPullRequest({ from });
    story.platform.github.repositories.remove(from, from.owner);
    await expectNotDeployed(story);
    expect(story.comment(pull)).toContain('comes from a fork');
  });

  it('is a pull request of a bot, and one sentence says why', async () => {
    const story = createStory();
    const bot = { ...story.platform.github.addAccount('dependabot[bot]', 'User'), type: 'Bot' as const };
    const pull = story.openPullRequest({ author: bot });
    await expectNotDeployed(story);
    expect(story.comment(pull)).toContain('opened by a bot');
  });

  it('is a draft, and nothing is reported', async () => {
    const story = createStory();
    const pull = story.openPullRequest({ draft: true });
    await expectNotDeployed(story);
    expect(pull.comments).toEqual([]);
  });

  it('is a repository that is not listed and has no eph.yaml, and nothing is reported', async () => {
    const story = unlisted();
    const pull = story.openPullRequest();
    await expectNotDeployed(story);
    expect(pull.comments).toEqual([]);
    expect((await story.state(pull)).phase).toBe('declined');
  });

  it('is a repository that the list excludes, also with an eph.yaml, and nothing is reported', async () => {
    const platform = createTestPlatform({ config: { REPOSITORIES: 'acme/*,!ACME/shop' } });
    const story = createStory(platform);
    const pull = story.openPullRequest({ files: { 'eph.yaml': '' } });
    await expectNotDeployed(story);
    expect(pull.comments).toEqual([]);
  });

  it('is a repository that the list excludes later, and the comment says who can help', async () => {
    const platform = createTestPlatform({ config: { REPOSITORIES: '' } });
    const story = createStory(platform);
    const pull = story.openPullRequest({ files: { 'eph.yaml': '' } });
    await platform.advance(minutes(10));
    expect((await story.state(pull)).phase).toBe('ready');
    platform.config.REPOSITORIES.push('!acme/shop');
    story.push(pull, { 'eph.yaml': '' });
    await platform.advance(minutes(10));
    expect(await story.whatExists()).toEqual(nothing);
    expect(story.comment(pull)).toContain('taken this repository out of its list');
  });

  it('is a draft, and its row does not expire, however long it is one', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest({ draft: true });
    await platform.advance(hours(24 * 30));
    platform.forget();
    expect((await story.row(pull)).key).toBe(story.key(pull));
  });

  it('is the pull request of an archived repository', async () => {
    const story = createStory();
    story.openPullRequest();
    story.repository.archived = true;
    await expectNotDeployed(story);
  });
});

describe('deployed all the same', () => {
  it('is a repository that is not listed, as soon as a push brings an eph.yaml', async () => {
    const story = unlisted();
    const pull = story.openPullRequest();
    await expectNotDeployed(story);
    story.push(pull, { 'eph.yaml': '' });
    await story.platform.advance(minutes(10));
    expect((await story.state(pull)).phase).toBe('ready');

    story.push(pull);
    await story.platform.advance(minutes(10));
    expect(await story.whatExists()).toEqual(nothing);
    expect(story.comment(pull)).toContain('not on Eph’s list');
  });

  it('is each of two branches with similar names, on its own machine and at its own address', async () => {
    const story = createStory();
    const one = story.openPullRequest({ branch: 'Feature/A' });
    const two = story.openPullRequest({ branch: 'feature-a' });
    await story.platform.advance(minutes(10));
    expect((await story.whatExists()).instances).toHaveLength(2);
    expect((await story.state(one)).hostname).not.toBe((await story.state(two)).hostname);
  });
});

describe('a repository', () => {
  it('that is renamed keeps its environments at their addresses', async () => {
    const story = createStory();
    const { platform, repository, author } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    const before = await story.state(pull);
    platform.github.repositories.update(repository, author, { name: 'store' });
    await platform.advance(minutes(5));
    const sha = story.push(pull);
    await platform.advance(minutes(5));
    expect(story.status(pull)).toBe(`success: ${sha.slice(0, 7)} is running`);
    expect((await story.state(pull)).hostname).toBe(before.hostname);
    expect((await story.row(pull)).source.name).toBe('store');
    expect((await story.whatExists()).instances).toEqual([instanceOf(before)]);
  });

  it('whose old name belongs to another one is not taken for it', async () => {
    const story = createStory();
    const { platform, repository, author, organization } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    platform.webhooksFail = true;
    platform.github.repositories.update(repository, author, { name: 'store' });
    const other = platform.github.repositories.create(organization, author, { name: 'shop' });
    platform.webhooksFail = false;
    const late = story.platform.github.state.deliveries.find((one) => one.event === 'pull_request');
    if (!late) throw new Error('nothing was delivered');
    platform.github.deliveries.redeliver(late.id);
    await platform.advance(hours(2));
    await platform.sweep('compare');
    await platform.advance(hours(1));
    expect((await story.state(pull)).phase).toBe('ready');
    expect((await story.state(pull)).pull?.repository).toBe('store');
    expect(other.pulls.size).toBe(0);
  });

  it('that is archived loses its environments', async () => {
    const story = createStory();
    const { platform, repository, author } = story;
    story.openPullRequest();
    await platform.advance(minutes(10));
    platform.github.repositories.update(repository, author, { archived: true });
    await platform.advance(minutes(10));
    const { deployments, ...rest } = await story.whatExists();
    expect(rest).toMatchObject({ instances: [], tunnels: [], records: [], hostRows: [] });
    // GitHub refuses every report on an archived repository.
    expect(deployments).toHaveLength(1);
  });

  it('that is archived during a build, and then not any more, has one live deployment', async () => {
    const story = createStory();
    const { platform, repository, author } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(15));
    platform.hosts.habits.build = 'stuck';
    story.push(pull);
    await platform.advance(minutes(5));
    platform.github.repositories.update(repository, author, { archived: true });
    await platform.advance(minutes(30));
    expect((await story.whatExists()).tunnels).toEqual([]);
    platform.hosts.habits.build = 'ready';
    platform.github.repositories.update(repository, author, { archived: false });
    await platform.advance(minutes(30));
    expect(story.status(pull)).toBe(`success: ${pull.headSha.slice(0, 7)} is running`);
    expect((await story.whatExists()).deployments).toEqual([pull.headSha]);
  });

  it('that is transferred to an account with Eph goes on there', async () => {
    const story = createStory();
    const { platform, repository, author } = story;
    const buyer = platform.github.addAccount('globex', 'Organization');
    platform.github.installations.create(buyer, author);
    platform.config.REPOSITORIES.push('globex/*');
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    platform.github.repositories.transfer(repository, author, buyer);
    await platform.advance(minutes(5));
    const sha = story.push(pull);
    await platform.advance(minutes(5));
    expect((await story.row(pull)).source.owner).toBe('globex');
    expect(story.status(pull)).toBe(`success: ${sha.slice(0, 7)} is running`);
  });

  it('that is deleted loses its addresses at once, and its disks after a day and a second proof', async () => {
    const story = createStory();
    const { platform, repository, author } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    platform.github.repositories.remove(repository, author);
    await platform.advance(minutes(1));
    expect(await story.whatExists()).toMatchObject({
      tunnels: [],
      records: [],
      instances: [expect.any(String)],
    });
    expect((await story.state(pull)).host?.power).toBe('off');
    await platform.advance(hours(23));
    await platform.sweep('due');
    await platform.advance(minutes(1));
    expect((await story.whatExists()).instances).toHaveLength(1);
    await platform.advance(hours(1));
    await platform.sweep('due');
    await platform.advance(minutes(1));
    expect(await story.whatExists()).toEqual(nothing);
  });

  it('that is deleted without a webhook is found by the hourly check', async () => {
    const story = createStory();
    const { platform, repository, author } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    platform.webhooksFail = true;
    platform.github.repositories.remove(repository, author);
    await platform.advance(minutes(50));
    expect((await story.state(pull)).phase).toBe('ready');
    await platform.sweep('compare');
    await platform.advance(minutes(1));
    expect(await story.whatExists()).toMatchObject({ tunnels: [], records: [] });
    expect((await story.state(pull)).host?.power).toBe('off');
  });
});

describe('an answer of 404', () => {
  it('to everything removes nothing, however long it lasts', async () => {
    const story = createStory(createTestPlatform({ config: { TERMINATE_AFTER_SECONDS: '0' } }));
    const { platform } = story;
    const pull = story.openPullRequest();
    const closing = story.openPullRequest();
    await platform.advance(minutes(10));
    const before = await story.whatExists();
    const never = Number.POSITIVE_INFINITY;
    platform.github.faults.failNext('*', new GithubError(404, 'Not Found'), never);
    story.redeliver(pull);
    story.close(closing);
    for (let hour = 0; hour < 30; hour += 1) {
      await platform.advance(hours(1));
      await sweepAnyway(platform);
    }
    expect(await story.whatExists()).toEqual(before);
    expect((await story.state(pull)).phase).toBe('ready');
    platform.github.faults.clear();
    await platform.sweep('compare');
    await platform.advance(minutes(10));
    expect((await story.state(pull)).phase).toBe('ready');
    expect((await story.state(closing)).phase).toBe('destroyed');
  });

  it('about a pull request that was never seen makes nothing', async () => {
    const story = createStory();
    const { platform, repository } = story;
    const pull = story.openPullRequest();
    platform.github.state.repositories.delete(repository.id);
    await platform.advance(minutes(40));
    expect((await story.state(pull)).phase).toBe('destroyed');
    expect(platform.calls).not.toContain('ec2 RunInstances');
  });
});

describe('access that is lost', () => {
  /** A private repository, for which GitHub answers 404 where the App may not see it. */
  async function running() {
    const story = createStory();
    story.repository.private = true;
    const pull = story.openPullRequest();
    await story.platform.advance(minutes(10));
    const { host } = await story.state(pull);
    return { story, pull, platform: story.platform, disk: instanceOf(host ? { host } : {}) };
  }

  async function expectAsleep(story: Story, pull: PullRequest): Promise<void> {
    await story.platform.advance(minutes(2));
    expect(await story.whatExists()).toMatchObject({ tunnels: [], records: [] });
    expect((await story.state(pull)).host?.power).toBe('off');
  }

  async function expectBack(story: Story, pull: PullRequest, disk: string | undefined): Promise<void> {
    await story.platform.advance(minutes(10));
    const state = await story.state(pull);
    expect(state.phase).toBe('ready');
    expect(instanceOf(state)).toBe(disk);
    expect(pull.comments).toHaveLength(1);
    expect(story.comment(pull)).toContain('Preview is ready');
    expect(story.status(pull)).toBe(`success: ${pull.headSha.slice(0, 7)} is running`);
    expect((await story.whatExists()).deployments).toEqual([pull.headSha]);
  }

  it('by uninstalling, and got back with another id, gets the same disk and all reports anew', async () => {
    const { story, pull, platform, disk } = await running();
    platform.github.installations.remove(story.installation, story.author);
    await expectAsleep(story, pull);
    await platform.advance(hours(5));
    platform.github.installations.create(story.organization, story.author);
    await expectBack(story, pull, disk);
  });

  it('and got back without a webhook is found by the hourly check', async () => {
    const { story, pull, platform, disk } = await running();
    platform.github.installations.remove(story.installation, story.author);
    await expectAsleep(story, pull);
    platform.webhooksFail = true;
    platform.github.installations.create(story.organization, story.author);
    await platform.sweep('compare');
    await expectBack(story, pull, disk);
  });

  it('for more than a day ends disk and row, and a new installation gets a new machine', async () => {
    const { story, pull, platform, disk } = await running();
    platform.github.installations.remove(story.installation, story.author);
    await platform.advance(hours(25));
    await platform.sweep('due');
    await platform.advance(minutes(5));
    const { deployments: _untellable, ...rest } = await story.whatExists();
    expect(rest).toEqual({ instances: [], tunnels: [], records: [], mailboxes: [], hostRows: [] });
    expect((await story.state(pull)).phase).toBe('destroyed');
    platform.webhooksFail = true;
    platform.github.installations.create(story.organization, story.author);
    await platform.sweep('compare');
    await platform.advance(minutes(10));
    expect((await story.state(pull)).phase).toBe('ready');
    expect(instanceOf(await story.state(pull))).not.toBe(disk);
    expect((await story.whatExists()).deployments).toEqual([pull.headSha]);
  });

  it('for some minutes during a build leaves nothing “in progress”', async () => {
    const story = createStory();
    const { platform, installation, author } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(1));
    expect((await story.state(pull)).phase).toBe('deploying');
    platform.github.installations.suspend(installation, author);
    await platform.advance(minutes(20));
    expect((await story.state(pull)).host?.power).toBe('off');
    const disk = instanceOf(await story.state(pull));
    platform.github.installations.unsuspend(installation, author);
    await expectBack(story, pull, disk);
  });

  it('without a webhook during a build has the missing reports sent afterwards', async () => {
    const story = createStory();
    const { platform, installation, author } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(1));
    const disk = instanceOf(await story.state(pull));
    platform.webhooksFail = true;
    platform.github.installations.suspend(installation, author);
    await platform.advance(minutes(20));
    platform.github.installations.unsuspend(installation, author);
    await platform.sweep('compare');
    await expectBack(story, pull, disk);
  });

  it('because the repository is taken out of the installation comes back with it', async () => {
    const { story, pull, platform, disk } = await running();
    platform.github.installations.removeRepositories(story.installation, story.author, [story.repository]);
    await expectAsleep(story, pull);
    platform.github.installations.addRepositories(story.installation, story.author, [story.repository]);
    await expectBack(story, pull, disk);
  });

  it('of a public repository that is taken out ends its preview, although anybody can still read it', async () => {
    const story = createStory();
    const pull = story.openPullRequest();
    await story.platform.advance(minutes(10));
    const disk = instanceOf(await story.state(pull));
    const { installations } = story.platform.github;
    installations.removeRepositories(story.installation, story.author, [story.repository]);
    await expectAsleep(story, pull);
    await story.platform.sweep('compare');
    await story.platform.advance(minutes(5));
    expect((await story.state(pull)).host?.power).toBe('off');
    installations.addRepositories(story.installation, story.author, [story.repository]);
    await expectBack(story, pull, disk);
  });

  it('does not come from making the repository private, because the installation has it', async () => {
    const story = createStory();
    const pull = story.openPullRequest();
    await story.platform.advance(minutes(10));
    story.repository.private = true;
    story.redeliver(pull);
    await story.platform.sweep('compare');
    await story.platform.advance(minutes(10));
    expect((await story.state(pull)).phase).toBe('ready');
  });

  it('by a transfer to an account without Eph puts the machine to sleep', async () => {
    const { story, pull, platform } = await running();
    const buyer = platform.github.addAccount('globex', 'Organization');
    platform.github.repositories.transfer(story.repository, story.author, buyer);
    await expectAsleep(story, pull);
  });

  it('because the App’s key was revoked leaves everything as it is', async () => {
    const { story, pull, platform } = await running();
    const before = await story.whatExists();
    platform.github.faults.failNext('*', new GithubError(401, 'Bad credentials'), Number.POSITIVE_INFINITY);
    for (let hour = 0; hour < 30; hour += 1) {
      await sweepAnyway(platform);
      await platform.advance(hours(1));
    }
    expect(await story.whatExists()).toEqual(before);
    platform.github.faults.clear();
    await platform.sweep('compare');
    await platform.advance(minutes(5));
    expect((await story.state(pull)).phase).toBe('ready');
  });

  it('of two installations within the hour is taken for a fault for a day, and raises an alarm', async () => {
    const { story, pull, platform } = await running();
    const { github } = platform;
    const { installation: theirs, repository } = addOrganization(story);
    const other = story.openPullRequest({ repository });
    await platform.advance(minutes(10));
    github.installations.remove(story.installation, story.author);
    await platform.advance(minutes(30));
    expect((await story.state(pull)).host?.power).toBe('off');
    github.installations.remove(theirs, story.author);
    for (let hour = 0; hour < 23; hour += 1) {
      await platform.advance(hours(1));
      await platform.sweep('compare');
      await platform.sweep('due');
    }
    await platform.advance(minutes(5));
    expect((await story.state(other)).phase).toBe('ready');
    expect((await story.whatExists()).instances).toHaveLength(2);
    expect(platform.logs).toContainEqual(
      expect.objectContaining({ level: 'error', message: 'access lost at once', lost: 2 }),
    );
    for (let hour = 0; hour < 3; hour += 1) {
      await platform.advance(hours(1));
      await platform.sweep('compare');
    }
    await expectAsleep(story, other);
  });

  it('of two installations, one long after the other, is taken for what each wants', async () => {
    const { story, pull, platform } = await running();
    const { installation: theirs, repository } = addOrganization(story);
    const other = story.openPullRequest({ repository });
    await platform.advance(minutes(10));
    platform.github.installations.remove(story.installation, story.author);
    await platform.advance(minutes(90));
    platform.github.installations.remove(theirs, story.author);
    await platform.advance(minutes(10));
    expect((await story.state(pull)).away?.why).toBe('no-access');
    expect((await story.state(other)).away?.why).toBe('no-access');
  });
});

describe('an installation', () => {
  it('from which a repository is removed loses that one only', async () => {
    const story = createStory();
    const { platform, installation, author, organization, repository } = story;
    const other = platform.github.repositories.create(organization, author, { name: 'blog', private: true });
    repository.private = true;
    other.branches.set('main', 'a'.repeat(40));
    const kept = story.openPullRequest();
    const removed = story.openPullRequest({ repository: other });
    await platform.advance(minutes(10));
    platform.github.installations.removeRepositories(installation, author, [other]);
    await platform.advance(hours(1));
    expect((await story.state(kept)).phase).toBe('ready');
    expect((await story.state(removed)).host?.power).toBe('off');
    expect((await story.whatExists()).tunnels).toHaveLength(1);
  });
});
