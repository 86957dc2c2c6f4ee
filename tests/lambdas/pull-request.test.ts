import { describe, expect, it } from 'vitest';
import { createTestPlatform, Death } from '../fakes/create-test-platform.ts';
import { createStory, hours, minutes, nothing, recover } from '../fakes/story.ts';

const keptForADay = () => createStory(createTestPlatform({ config: { TERMINATE_AFTER_SECONDS: '86400' } }));

describe('a pull request', () => {
  it('gets a machine, a tunnel, names, one comment, a status and a deployment that report that it runs', async () => {
    const story = createStory();
    const pull = story.openPullRequest();
    await story.platform.advance(minutes(10));

    const { hostname } = await story.state(pull);
    expect(story.status(pull)).toBe(`success: ${pull.headSha.slice(0, 7)} is running`);
    expect(story.comment(pull)).toContain(`https://${hostname}`);
    expect(story.comment(pull)).toContain(`https://api--${hostname}`);
    expect(pull.comments).toHaveLength(1);
    expect(await story.whatExists()).toMatchObject({
      instances: [expect.any(String)],
      tunnels: [expect.any(String)],
      records: [`api--${hostname}`, hostname],
      deployments: [pull.headSha],
    });
  });

  it('has its names in DNS before the comment shows them', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    const told: boolean[] = [];
    platform.watch = async (call, perform) => {
      if (call === 'github issues/create-comment') {
        const { hostname = '' } = await story.state(pull);
        told.push(platform.cloudflare.machine.resolve(hostname) !== undefined);
      }
      return perform();
    };
    await platform.deliverAll();
    expect(told).toEqual([true]);
  });

  it('gets one machine when the same delivery comes twice, also at the same time', async () => {
    const story = createStory();
    const { platform } = story;
    story.openPullRequest();
    const [message] = platform.queue.messages();
    const body = message?.body ?? '';
    await Promise.all([platform.take(body), platform.take(body), platform.take(body)]);
    await platform.advance(minutes(10));
    expect((await story.whatExists()).instances).toHaveLength(1);
    expect(platform.calls.filter((call) => call === 'ec2 RunInstances')).toHaveLength(1);
  });

  it('leaves nothing when it is closed, and its comment says so', async () => {
    const story = createStory();
    const pull = story.openPullRequest();
    await story.platform.advance(minutes(10));
    story.close(pull);
    await story.platform.advance(minutes(10));
    expect(await story.whatExists()).toEqual(nothing);
    expect(story.comment(pull)).toContain('Preview removed');
  });

  it('that is merged says that it was merged', async () => {
    const story = createStory();
    const { platform, repository, author } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    platform.github.pulls.merged(repository, pull, author, 'f'.repeat(40));
    await platform.advance(minutes(10));
    expect(story.comment(pull)).toContain('The pull request was merged');
    expect(await story.whatExists()).toEqual(nothing);
  });

  it('that is closed while its machine boots has the machine terminated', async () => {
    const story = createStory();
    const pull = story.openPullRequest();
    await story.platform.advance(10_000);
    expect((await story.whatExists()).instances).toHaveLength(1);
    story.close(pull);
    await story.platform.advance(minutes(1));
    expect(await story.whatExists()).toEqual(nothing);
  });

  it('that is closed before anything began gets nothing, and no comment', async () => {
    const story = createStory();
    const pull = story.openPullRequest();
    story.close(pull);
    await story.platform.advance(minutes(10));
    expect(story.platform.calls).not.toContain('ec2 RunInstances');
    expect(pull.comments).toEqual([]);
  });

  it('that is closed while its machine is pending, with a grace of a day, has it stopped, and terminated a day later', async () => {
    const story = keptForADay();
    const { platform } = story;
    platform.ec2.knobs.transitionMs = 20_000;
    const pull = story.openPullRequest();
    await platform.deliverAll();
    story.close(pull);
    await platform.advance(minutes(5));
    const { instances, tunnels, records } = await story.whatExists();
    expect({ tunnels, records }).toEqual({ tunnels: [], records: [] });
    expect(platform.ec2.find(instances[0] ?? '')?.state).toBe('stopped');

    await platform.advance(hours(24));
    await platform.sweep('due');
    await platform.advance(minutes(5));
    expect(await story.whatExists()).toEqual(nothing);
  });

  it('that is reopened within the grace keeps its machine and gets a new tunnel and generation', async () => {
    const story = keptForADay();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    const before = { ...(await story.whatExists()), ...(await story.state(pull)) };
    story.close(pull);
    await platform.advance(hours(1));
    story.reopen(pull);
    await platform.advance(minutes(10));

    const after = { ...(await story.whatExists()), ...(await story.state(pull)) };
    expect(after.instances).toEqual(before.instances);
    expect(after.tunnels).not.toEqual(before.tunnels);
    expect(after.generation).toBe(before.generation + 1);
    expect(after.hostname).toBe(before.hostname);
    expect(after.phase).toBe('ready');
    expect(pull.comments).toHaveLength(1);
  });

  it.each([
    [
      'whose eph.yaml cannot be used gets that reported again, and costs no machine',
      'primry: web',
      'eph.yaml cannot be used',
    ],
    [
      'whose instance type does not exist gets that reported again',
      'instance_type: big',
      'eph.yaml cannot be used',
    ],
  ])('that is reopened and %s', async (_what, file, sentence) => {
    const story = keptForADay();
    const { platform } = story;
    const pull = story.openPullRequest({ files: { 'eph.yaml': file } });
    await platform.advance(minutes(5));
    expect(story.comment(pull)).toContain(sentence);
    story.close(pull);
    await platform.advance(minutes(5));
    story.reopen(pull);
    await platform.advance(minutes(5));
    expect(story.comment(pull)).toContain(sentence);
    expect((await story.state(pull)).phase).toBe('failed');
    expect(await story.whatExists()).toMatchObject({ instances: [], tunnels: [] });
  });

  it.each([
    ['at once', 0],
    ['an hour later', hours(1)],
  ])('that is reopened %s after a failed build is tried again on the same disk', async (_when, after) => {
    const story = keptForADay();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    platform.hosts.habits.build = 'failed';
    story.push(pull);
    await platform.advance(minutes(10));
    expect((await story.state(pull)).phase).toBe('failed');
    const { instances } = await story.whatExists();
    story.close(pull);
    await platform.advance(after + 3_000);
    platform.hosts.habits.build = 'ready';
    story.reopen(pull);
    await platform.advance(minutes(10));
    expect((await story.whatExists()).instances).toEqual(instances);
    expect((await story.state(pull)).phase).toBe('ready');
    expect(story.status(pull)).toBe(`success: ${pull.headSha.slice(0, 7)} is running`);
  });

  it('is read once more before its machine is terminated, so that a lost reopening is found', async () => {
    const story = keptForADay();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    story.close(pull);
    await platform.advance(hours(1));
    platform.webhooksFail = true;
    story.reopen(pull);
    await platform.advance(hours(24));
    await platform.sweep('due').catch(() => undefined);
    await platform.advance(minutes(10));
    expect(platform.calls).not.toContain('ec2 TerminateInstances');
    expect((await story.state(pull)).phase).toBe('ready');
  });

  it('is paused as a draft and comes back at the same address', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    const { hostname } = await story.state(pull);
    story.convertToDraft(pull);
    await platform.advance(minutes(5));
    expect(await story.whatExists()).toEqual(nothing);
    expect(story.comment(pull)).toContain('paused while this is a draft');

    story.markReady(pull);
    await platform.advance(minutes(10));
    expect(await story.state(pull)).toMatchObject({ phase: 'ready', hostname });
  });

  it('has its row kept for a week after nothing of it is left', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    story.close(pull);
    const closedAt = platform.clock.now();
    await platform.advance(minutes(10));
    const forgetAt = ((await story.state(pull)).forgetAt ?? 0) * 1_000;
    expect(forgetAt - closedAt).toBeGreaterThan(hours(24 * 7) - 1_000);
    expect(forgetAt - closedAt).toBeLessThan(hours(24 * 7) + minutes(10));
  });

  it('that is edited after its row was deleted gets a tombstone and nothing else', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    story.close(pull);
    await platform.advance(hours(24 * 8));
    platform.forget();
    expect(await platform.ports.environments.read(story.key(pull))).toBeUndefined();

    const edits = pull.comments[0]?.updatedAt;
    platform.github.pulls.update(story.repository, pull, story.author, { title: 'As it was done' });
    await platform.advance(minutes(10));
    expect(await story.whatExists()).toEqual(nothing);
    expect((await story.state(pull)).phase).toBe('destroyed');
    expect(pull.comments[0]?.updatedAt).toBe(edits);
  });
});

describe('a crash of a run', () => {
  it('between launching and saving, and then a close, leave a disk that is found and serves when reopened', async () => {
    const story = keptForADay();
    const { platform } = story;
    const pull = story.openPullRequest();
    platform.watch = async (call, perform) => {
      const done = await perform();
      if (call !== 'ec2 RunInstances') return done;
      platform.watch = undefined;
      throw new Death();
    };
    await platform.deliverAll();
    story.close(pull);
    await recover(platform);
    const { instances } = await story.whatExists();
    expect(instances).toHaveLength(1);
    story.reopen(pull);
    await platform.advance(minutes(10));
    expect((await story.state(pull)).phase).toBe('ready');
    expect((await story.whatExists()).instances).toEqual(instances);
  });

  it('between launching and saving leaves a machine that is found by its token, and not launched again', async () => {
    const story = createStory();
    const { platform } = story;
    story.openPullRequest();
    platform.watch = async (call, perform) => {
      const done = await perform();
      if (call !== 'ec2 RunInstances') return done;
      platform.watch = undefined;
      throw new Error('the connection was reset');
    };
    await platform.deliverAll();
    const first = (await story.whatExists()).instances;
    await recover(platform);
    expect((await story.whatExists()).instances).toEqual(first);
  });
});
