import { describe, expect, it } from 'vitest';
import { GithubError } from '../../local/github/github-error.ts';
import { instanceOf } from '../fakes/instance-of.ts';
import { createStory, minutes, nothing } from '../fakes/story.ts';

describe('a push', () => {
  it('while the first commit is built has the newest commit run, on the same machine', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(50_000);
    const sha = story.push(pull);
    await platform.advance(minutes(10));
    const { instances, deployments } = await story.whatExists();
    expect(instances.map((id) => platform.hosts.serving(id)?.sha)).toEqual([sha]);
    expect(deployments).toEqual([sha]);
    expect(story.status(pull)).toBe(`success: ${sha.slice(0, 7)} is running`);
  });

  it('reaches a machine that is at rest through its notification, within seconds', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    const sha = story.push(pull);
    await platform.advance(5_000 + platform.hosts.habits.planMs + platform.hosts.habits.buildMs);
    expect((await story.whatExists()).instances.map((id) => platform.hosts.serving(id)?.sha)).toEqual([sha]);
  });

  it('is deployed within the machine’s minute when it cannot be notified', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    platform.hosts.deaf = true;
    const sha = story.push(pull);
    await platform.advance(minutes(3));
    expect(story.status(pull)).toBe(`success: ${sha.slice(0, 7)} is running`);
    expect((await story.state(pull)).retries).toEqual({});
  });

  it('arrives within seconds when it can be notified a moment later', async () => {
    const story = createStory();
    const { platform } = story;
    story.openPullRequest();
    await platform.advance(minutes(10));
    platform.hosts.deaf = true;
    const [pull] = story.repository.pulls.values();
    if (!pull) throw new Error('nothing was opened');
    const sha = story.push(pull);
    await platform.advance(1_000);
    platform.hosts.deaf = false;
    await platform.advance(10_000 + platform.hosts.habits.planMs + platform.hosts.habits.buildMs);
    expect((await story.whatExists()).instances.map((id) => platform.hosts.serving(id)?.sha)).toEqual([sha]);
  });

  it('that fails leaves the version before serving, and Eph reports both facts', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    const first = pull.headSha.slice(0, 7);
    platform.hosts.habits.build = 'failed';
    const second = story.push(pull).slice(0, 7);
    await platform.advance(minutes(10));
    expect(story.comment(pull)).toContain(
      `\`${second}\` could not be deployed. The address still serves \`${first}\`.`,
    );
    expect(story.comment(pull)).toContain('> The service `api` exited with 1.');
    expect(story.comment(pull)).toContain('boom');
    expect(story.status(pull)).toMatch(/^failure: /);
    expect((await story.whatExists()).instances).toHaveLength(1);
  });

  it('that is built, and then fails, leaves the deployment before it active, with a working link', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    const first = pull.headSha;
    platform.hosts.habits.build = 'failed';
    story.push(pull);
    await platform.advance(30_000);
    expect((await story.whatExists()).deployments).toContain(first);
    await platform.advance(minutes(10));
    expect((await story.whatExists()).deployments).toContain(first);
    platform.hosts.habits.build = 'ready';
    const last = story.push(pull);
    await platform.advance(minutes(10));
    expect((await story.whatExists()).deployments).toEqual([last]);
  });

  it('that is followed by a close before its deployment ends the deployment before it, and makes none', async () => {
    const story = createStory();
    const { platform, repository } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    story.push(pull);
    story.close(pull);
    await platform.advance(minutes(5));
    expect(repository.deployments).toHaveLength(1);
    expect(await story.whatExists()).toEqual(nothing);
  });

  it('leaves a record of each build and of how it ended', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    platform.hosts.habits.build = 'failed';
    const sha = story.push(pull);
    await platform.advance(minutes(10));
    expect(platform.records.builds()).toMatchObject([
      { generation: 1, state: 'ready', timings: { building: platform.hosts.habits.buildMs } },
      { generation: 2, sha, state: 'failed', failure: { sentence: 'The service `api` exited with 1.' } },
    ]);
  });

  it('that fails and ends the version before has it reported that nothing is served', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    Object.assign(platform.hosts.habits, { build: 'failed', keepsServing: false });
    story.push(pull);
    await platform.advance(minutes(10));
    expect(story.comment(pull)).toContain('Preview failed');
    expect(story.comment(pull)).not.toContain('still serves');
  });

  it('back to a commit that failed, after another one, is another try', async () => {
    const story = createStory();
    const { platform, repository, author } = story;
    platform.hosts.habits.build = 'failed';
    const pull = story.openPullRequest();
    const failed = pull.headSha;
    await platform.advance(minutes(10));
    platform.hosts.habits.build = 'ready';
    const before = story.push(pull);
    await platform.advance(1_000);
    const update = { branch: pull.headRef, before, after: failed };
    for (const moved of platform.github.repositories.recordPush(repository, author, [update])) {
      platform.github.pulls.headMoved(moved.base, moved.pull, author, failed);
    }
    await platform.advance(minutes(10));
    expect(story.status(pull)).toBe(`success: ${failed.slice(0, 7)} is running`);
  });

  it('that comes before each build ends lets one build finish after ten minutes, then the newest', async () => {
    const story = createStory();
    const { platform } = story;
    platform.hosts.habits.buildMs = minutes(4);
    const pull = story.openPullRequest();
    const served = new Set<string>();
    for (let pushes = 0; pushes < 10; pushes += 1) {
      await platform.advance(minutes(2));
      story.push(pull);
      const { serving } = await story.state(pull);
      if (serving) served.add(serving.sha);
    }
    expect(served.size).toBeGreaterThanOrEqual(1);
    await platform.advance(minutes(15));
    expect(story.status(pull)).toBe(`success: ${pull.headSha.slice(0, 7)} is running`);
  });

  it('while a machine waits for a fresh archive begins a new generation', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    platform.hosts.habits.needs = 'archive';
    story.push(pull);
    await platform.advance(1_000);
    const outage = new GithubError(502, 'Bad Gateway');
    platform.github.faults.failNext('repos/download-tarball-archive', outage);
    await platform.advance(2_000);
    expect(await story.state(pull)).toMatchObject({ generation: 2, order: { needs: 'archive' } });

    const sha = story.push(pull);
    await platform.advance(minutes(5));
    expect(await story.state(pull)).toMatchObject({ generation: 3, order: { revision: 1, sha } });
    expect(story.status(pull)).toBe(`success: ${sha.slice(0, 7)} is running`);
  });
});

describe('what a machine asks for', () => {
  it('is written, where it is a fresh archive, as the next revision of the same generation', async () => {
    const story = createStory();
    const { platform } = story;
    platform.hosts.habits.needs = 'archive';
    const pull = story.openPullRequest();
    await platform.advance(minutes(5));
    const { order, phase } = await story.state(pull);
    expect(phase).toBe('ready');
    expect(order).toMatchObject({ generation: 1, revision: 2, source: 'archive' });
  });

  it('is given once, where it is a checkout with git, and kept for the pushes after it', async () => {
    const story = createStory();
    const { platform } = story;
    platform.hosts.habits.needs = 'git';
    const pull = story.openPullRequest();
    await platform.advance(minutes(5));
    expect((await story.state(pull)).order).toMatchObject({ revision: 2, source: 'git' });
    story.push(pull);
    await platform.advance(minutes(5));
    expect((await story.state(pull)).order).toMatchObject({ generation: 2, revision: 1, source: 'git' });
  });

  it('is not believed when it claims names of others, and no record is made for them', async () => {
    const story = createStory();
    const { platform } = story;
    platform.hosts.habits.build = 'stuck';
    const pull = story.openPullRequest();
    await platform.advance(minutes(2));
    const { hostname = '', host } = await story.state(pull);
    const service = { name: 'x', port: 80, primary: false, path: '/x' };
    const claims = ['admin.eph.test', 'www-pr.eph.test', `other--${hostname}.eph.test`, `Ä--${hostname}`];
    const result = {
      v: 1,
      generation: 1,
      sha: pull.headSha,
      at: platform.clock.now(),
      outcome: 'ready',
      services: [
        ...claims.map((claim) => ({ ...service, hostname: claim })),
        { ...service, name: 'y', hostname: `y--${hostname}`, path: '/|<img src=x>' },
        { ...service, name: 'z', hostname: `z--${hostname}` },
      ],
      warnings: [],
      timings: {},
    };
    platform.mailbox.report(instanceOf(host ? { host } : {}) ?? '', 'result', JSON.stringify(result));
    await platform.advance(minutes(2));
    expect((await story.whatExists()).records).toEqual(
      [`api--${hostname}`, hostname, `z--${hostname}`].sort(),
    );
    expect(story.comment(pull)).not.toContain('<img');
  });
});
