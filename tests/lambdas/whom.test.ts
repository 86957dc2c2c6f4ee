import { describe, expect, it } from 'vitest';
import { createWorld } from '../fakes/create-world.ts';
import { createStory, hours, minutes, nothing, type Story } from '../fakes/story.ts';

const unlisted = () => createStory(createWorld({ config: { REPOSITORIES: 'other/*' } }));

function fork(story: Story) {
  const { world, repository } = story;
  const stranger = world.github.addAccount('eve', 'User');
  return world.github.repositories.create(stranger, stranger, { name: 'shop', parentId: repository.id });
}

async function expectNotDeployed(story: Story): Promise<void> {
  await story.world.advance(minutes(10));
  expect(story.world.calls).not.toContain('machines.launch');
  expect(await story.whatExists()).toEqual(nothing);
}

describe('not deployed', () => {
  it('a fork: one sentence says why, also after another push', async () => {
    const story = createStory();
    const pull = story.openPullRequest({ from: fork(story) });
    await expectNotDeployed(story);
    story.push(pull);
    await expectNotDeployed(story);
    expect(pull.comments.map(({ body }) => body)).toEqual([expect.stringContaining('comes from a fork')]);
  });

  it('a fork that was deleted (its head repository is null)', async () => {
    const story = createStory();
    const from = fork(story);
    const pull = story.openPullRequest({ from });
    story.world.github.repositories.remove(from, from.owner);
    await expectNotDeployed(story);
    expect(story.comment(pull)).toContain('comes from a fork');
  });

  it('a bot: one sentence says why', async () => {
    const story = createStory();
    const bot = { ...story.world.github.addAccount('dependabot[bot]', 'User'), type: 'Bot' as const };
    const pull = story.openPullRequest({ author: bot });
    await expectNotDeployed(story);
    expect(story.comment(pull)).toContain('opened by a bot');
  });

  it('a draft: nothing is said, nobody asked', async () => {
    const story = createStory();
    const pull = story.openPullRequest({ draft: true });
    await expectNotDeployed(story);
    expect(pull.comments).toEqual([]);
  });

  it('a repository that is not listed and has no eph.yaml: nothing is said', async () => {
    const story = unlisted();
    const pull = story.openPullRequest();
    await expectNotDeployed(story);
    expect(pull.comments).toEqual([]);
    expect((await story.state(pull)).phase).toBe('declined');
  });

  it('the pull request of an archived repository', async () => {
    const story = createStory();
    story.openPullRequest();
    story.repository.archived = true;
    await expectNotDeployed(story);
  });
});

describe('deployed all the same', () => {
  it('a repository that is not listed, as soon as a push brings an eph.yaml', async () => {
    const story = unlisted();
    const pull = story.openPullRequest();
    await expectNotDeployed(story);
    story.push(pull, { 'eph.yaml': '' });
    await story.world.advance(minutes(10));
    expect((await story.state(pull)).phase).toBe('ready');

    story.push(pull);
    await story.world.advance(minutes(10));
    expect(await story.whatExists()).toEqual(nothing);
    expect(story.comment(pull)).toContain('not on Eph’s list');
  });

  it('branches whose names normalise alike, each on a machine and at an address of its own', async () => {
    const story = createStory();
    const one = story.openPullRequest({ branch: 'Feature/A' });
    const two = story.openPullRequest({ branch: 'feature-a' });
    await story.world.advance(minutes(10));
    expect((await story.whatExists()).instances).toHaveLength(2);
    expect((await story.state(one)).hostname).not.toBe((await story.state(two)).hostname);
  });
});

describe('a repository', () => {
  it('that is renamed keeps its environments at their addresses', async () => {
    const story = createStory();
    const { world, repository, author } = story;
    const pull = story.openPullRequest();
    await world.advance(minutes(10));
    const before = await story.state(pull);
    world.github.repositories.update(repository, author, { name: 'store' });
    await world.advance(minutes(5));
    const sha = story.push(pull);
    await world.advance(minutes(5));
    expect(story.status(pull)).toBe(`success: ${sha.slice(0, 7)} is running`);
    expect((await story.state(pull)).hostname).toBe(before.hostname);
    expect((await story.row(pull)).source.name).toBe('store');
    expect((await story.whatExists()).instances).toEqual([before.host?.instanceId]);
  });

  it('whose old name belongs to another one is not taken for it', async () => {
    const story = createStory();
    const { world, repository, author, organization } = story;
    const pull = story.openPullRequest();
    await world.advance(minutes(10));
    world.webhooksFail = true;
    world.github.repositories.update(repository, author, { name: 'store' });
    const other = world.github.repositories.create(organization, author, { name: 'shop' });
    world.webhooksFail = false;
    const { source } = await story.row(pull);
    expect(await world.ports.pullRequests.read(source, repository.id, pull.number)).toEqual({
      kind: 'absent',
    });
    expect(other.pulls.size).toBe(0);
  });

  it('that is archived loses its environments', async () => {
    const story = createStory();
    const { world, repository, author } = story;
    story.openPullRequest();
    await world.advance(minutes(10));
    world.github.repositories.update(repository, author, { archived: true });
    await world.advance(minutes(10));
    const { deployments, ...rest } = await story.whatExists();
    expect(rest).toMatchObject({ instances: [], tunnels: [], records: [], hostRows: [] });
    // GitHub refuses every word about an archived repository.
    expect(deployments).toHaveLength(1);
  });

  it('that is transferred to an account with Eph goes on there', async () => {
    const story = createStory();
    const { world, repository, author } = story;
    const buyer = world.github.addAccount('globex', 'Organization');
    world.github.installations.create(buyer, author);
    world.config.REPOSITORIES.push('globex/*');
    const pull = story.openPullRequest();
    await world.advance(minutes(10));
    world.github.repositories.transfer(repository, author, buyer);
    await world.advance(minutes(5));
    const sha = story.push(pull);
    await world.advance(minutes(5));
    expect((await story.row(pull)).source.owner).toBe('globex');
    expect(story.status(pull)).toBe(`success: ${sha.slice(0, 7)} is running`);
  });

  it('that is deleted loses its environments at once: the webhook and the 404 are two witnesses', async () => {
    const story = createStory();
    const { world, repository, author } = story;
    story.openPullRequest();
    await world.advance(minutes(10));
    world.github.repositories.remove(repository, author);
    await world.advance(minutes(1));
    expect(await story.whatExists()).toEqual(nothing);
  });

  it('that is deleted keeps no disk for a reopening that cannot come', async () => {
    const story = createStory(createWorld({ config: { TERMINATE_AFTER_SECONDS: '86400' } }));
    const { world, repository, author } = story;
    story.openPullRequest();
    await world.advance(minutes(10));
    world.github.repositories.remove(repository, author);
    await world.advance(minutes(1));
    expect(await story.whatExists()).toEqual(nothing);
  });

  it('that is deleted without a word loses its environments after two sightings, 15 minutes apart', async () => {
    const story = createStory();
    const { world, repository, author } = story;
    story.openPullRequest();
    await world.advance(minutes(10));
    world.webhooksFail = true;
    world.github.repositories.remove(repository, author);
    await world.sweep('compare');
    await world.advance(minutes(14));
    expect((await story.whatExists()).instances).toHaveLength(1);
    await world.advance(minutes(2));
    expect(await story.whatExists()).toEqual(nothing);
  });
});

describe('an answer of 404', () => {
  it('that comes once tears nothing down', async () => {
    const story = createStory();
    const { world, repository } = story;
    const pull = story.openPullRequest();
    await world.advance(minutes(10));
    world.github.state.repositories.delete(repository.id);
    story.redeliver(pull);
    await world.advance(minutes(5));
    expect((await story.state(pull)).goneSince).toBeDefined();
    world.github.state.repositories.set(repository.id, repository);
    await world.advance(minutes(30));
    expect((await story.state(pull)).phase).toBe('ready');
    expect((await story.state(pull)).goneSince).toBeUndefined();
    expect((await story.whatExists()).instances).toHaveLength(1);
  });

  it('about a pull request that was never seen makes nothing', async () => {
    const story = createStory();
    const { world, repository } = story;
    const pull = story.openPullRequest();
    world.github.state.repositories.delete(repository.id);
    await world.advance(minutes(40));
    expect((await story.state(pull)).phase).toBe('destroyed');
    expect(world.calls).not.toContain('machines.launch');
  });
});

describe('an installation', () => {
  it('that is deleted takes all its environments with it', async () => {
    const story = createStory();
    const { world, installation, author } = story;
    story.openPullRequest();
    story.openPullRequest();
    await world.advance(minutes(10));
    expect((await story.whatExists()).instances).toHaveLength(2);
    world.github.installations.remove(installation, author);
    await world.advance(minutes(20));
    const { deployments: _untellable, ...rest } = await story.whatExists();
    expect(rest).toEqual({ instances: [], tunnels: [], records: [], mailboxes: [], hostRows: [] });
  });

  it('that is suspended does so too, and they come back when it is not any more', async () => {
    const story = createStory();
    const { world, installation, author } = story;
    const pull = story.openPullRequest();
    await world.advance(minutes(10));
    world.github.installations.suspend(installation, author);
    await world.advance(minutes(20));
    expect((await story.whatExists()).instances).toEqual([]);
    world.github.installations.unsuspend(installation, author);
    await world.advance(minutes(20));
    expect((await story.state(pull)).phase).toBe('ready');
    expect(pull.comments).toHaveLength(1);
    expect(story.comment(pull)).toContain('Preview is ready');
  });

  it('from which a repository is removed loses that one only', async () => {
    const story = createStory();
    const { world, installation, author, organization, repository } = story;
    const other = world.github.repositories.create(organization, author, { name: 'blog', private: true });
    repository.private = true;
    other.branches.set('main', 'a'.repeat(40));
    const kept = story.openPullRequest();
    const removed = story.openPullRequest({ repository: other });
    await world.advance(minutes(10));
    world.github.installations.removeRepositories(installation, author, [other]);
    await world.advance(hours(1));
    expect((await story.state(kept)).phase).toBe('ready');
    expect((await story.state(removed)).phase).toBe('destroyed');
    expect((await story.whatExists()).instances).toHaveLength(1);
  });
});
