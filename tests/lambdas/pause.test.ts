import { describe, expect, it } from 'vitest';
import type { Pause } from '#core/pause';
import { GithubError } from '../../local/github/github-error.ts';
import type { PullRequest } from '../../local/github/github-state.ts';
import { createTestPlatform, Death } from '../fakes/create-test-platform.ts';
import { instanceOf } from '../fakes/instance-of.ts';
import { createStory, hours, minutes, nothing, recover, type Story } from '../fakes/story.ts';

const keptForADay = () => createStory(createTestPlatform({ config: { TERMINATE_AFTER_SECONDS: '86400' } }));

/** What `make pause` does. */
async function say(story: Story, pause: Pause): Promise<void> {
  story.platform.operator.paused = pause;
  await story.platform.sweep('wake-all');
  await story.platform.advance(minutes(5));
}

async function ready(story: Story): Promise<PullRequest> {
  const pull = story.openPullRequest();
  await story.platform.advance(minutes(10));
  return pull;
}

const launches = ({ platform }: Story) => platform.calls.filter((call) => call === 'ec2 RunInstances').length;

describe('a pause of launches', () => {
  it('makes a new pull request wait, with the reason in its comment, until Eph is resumed', async () => {
    const story = createStory();
    await say(story, 'launches');
    const pull = story.openPullRequest();
    await story.platform.advance(hours(2));
    expect((await story.state(pull)).phase).toBe('queued');
    expect(story.comment(pull)).toContain('Eph is paused by its operator; this goes on by itself');
    expect(story.status(pull)).toBe('pending: Eph is paused by its operator');
    expect(launches(story)).toBe(0);

    await say(story, 'no');
    expect((await story.state(pull)).phase).toBe('ready');
    expect(pull.comments).toHaveLength(1);
  });

  it('lets a running preview serve on and take a push', async () => {
    const story = createStory();
    const pull = await ready(story);
    await say(story, 'launches');
    const sha = story.push(pull);
    await story.platform.advance(minutes(10));
    expect(story.status(pull)).toBe(`success: ${sha.slice(0, 7)} is running`);
    expect(launches(story)).toBe(1);
  });

  it('lets a close do all that it does otherwise', async () => {
    const story = createStory();
    const pull = await ready(story);
    const waiting = await (async () => {
      await say(story, 'launches');
      return story.openPullRequest();
    })();
    await story.platform.advance(minutes(5));
    story.close(pull);
    story.close(waiting);
    await story.platform.advance(minutes(5));
    expect(await story.whatExists()).toEqual(nothing);
  });

  it('after everything was put to sleep leaves asleep what sleeps, and reports so', async () => {
    const story = createStory();
    const pull = await ready(story);
    await say(story, 'everything');
    const asleep = story.comment(pull);
    expect(asleep).toContain('Preview is asleep');
    await say(story, 'launches');
    await story.platform.advance(minutes(5));
    expect(story.comment(pull)).toBe(asleep);
    expect((await story.state(pull)).phase).toBe('stopped');
    await say(story, 'no');
    expect((await story.state(pull)).phase).toBe('ready');
  });

  it('that ends has the state reported, also after a run that died when it had reported the sleep', async () => {
    const story = createStory();
    const { platform } = story;
    platform.hosts.habits.build = 'failed';
    const pull = await ready(story);
    platform.operator.paused = 'everything';
    await platform.sweep('wake-all');
    platform.watch = async (call, perform) => {
      if (call !== 'dynamodb UpdateItem environments release') return perform();
      throw new Death();
    };
    await platform.deliverAll();
    expect(story.comment(pull)).toContain('Preview is asleep');
    platform.watch = undefined;
    platform.operator.paused = 'no';
    await recover(platform);
    expect((await story.state(pull)).phase).toBe('failed');
    expect(story.comment(pull)).toContain('Preview failed');
  });

  it('makes a reopened pull request wait with its disk', async () => {
    const story = keptForADay();
    const pull = await ready(story);
    const { instances } = await story.whatExists();
    story.close(pull);
    await story.platform.advance(minutes(5));
    await say(story, 'launches');
    story.reopen(pull);
    await story.platform.advance(minutes(5));
    expect(await story.state(pull)).toMatchObject({ phase: 'queued', host: { power: 'off' } });
    await say(story, 'no');
    expect((await story.state(pull)).phase).toBe('ready');
    expect((await story.whatExists()).instances).toEqual(instances);
  });

  it('between the decision and the launch prevents the launch', async () => {
    const story = createStory();
    const { platform } = story;
    const warm = await ready(story);
    platform.watch = async (call, perform) => {
      // The minute for which the process keeps the setting is not over.
      if (call === 'github git/get-tree') {
        await platform.advance(10_000);
        platform.operator.paused = 'launches';
      }
      return perform();
    };
    const pull = story.openPullRequest();
    await platform.advance(minutes(2));
    expect((await story.state(pull)).phase).toBe('queued');
    expect(launches(story)).toBe(1);
    expect((await story.state(warm)).phase).toBe('ready');
  });

  it('while a launch has no answer has its machine found, switched off, and not launched again', async () => {
    const story = createStory();
    const { platform } = story;
    platform.watch = async (call, perform) => {
      if (call !== 'ec2 RunInstances') return perform();
      await perform();
      platform.watch = undefined;
      throw new Death();
    };
    const pull = story.openPullRequest();
    await platform.deliverAll();
    platform.operator.paused = 'launches';
    await recover(platform);
    const { instances } = await story.whatExists();
    expect(await story.state(pull)).toMatchObject({ phase: 'queued', host: { power: 'off' } });
    expect(platform.ec2.find(instances[0] ?? '')?.state).toBe('stopped');
    await say(story, 'no');
    expect((await story.whatExists()).instances).toEqual(instances);
    expect((await story.state(pull)).phase).toBe('ready');
  });

  it('that ends lets a row that the wake missed go on within the hour', async () => {
    const story = createStory();
    const { platform } = story;
    await say(story, 'launches');
    const pull = story.openPullRequest();
    await platform.advance(minutes(5));
    platform.operator.paused = 'no';
    for (let quarter = 0; quarter < 5; quarter += 1) {
      await platform.advance(minutes(15));
      await platform.sweep('due');
    }
    await platform.advance(minutes(5));
    expect((await story.state(pull)).phase).toBe('ready');
  });
});

describe('a pause of everything', () => {
  it('switches running hosts off, keeps disk and address, and says so in the comment', async () => {
    const story = createStory();
    const pull = await ready(story);
    const before = await story.whatExists();
    await say(story, 'everything');
    expect((await story.state(pull)).phase).toBe('stopped');
    expect(story.platform.ec2.find(before.instances[0] ?? '')?.state).toBe('stopped');
    const { deployments, ...kept } = await story.whatExists();
    expect({ ...kept, deployments: before.deployments }).toEqual(before);
    expect(deployments).toEqual([]);
    expect(story.comment(pull)).toContain('Preview is asleep');
    expect(story.comment(pull)).toContain(`https://${(await story.state(pull)).hostname}`);
  });

  it('that ends has the hosts start what is on the same disk, and deploys nothing anew', async () => {
    const story = createStory();
    const pull = await ready(story);
    const before = await story.whatExists();
    const { generation } = await story.state(pull);
    await say(story, 'everything');
    story.platform.calls.length = 0;
    await say(story, 'no');
    expect(story.platform.calls).not.toContain('s3 PutObject');
    expect(story.platform.calls).not.toContain('github repos/download-tarball-archive');
    expect(await story.whatExists()).toEqual(before);
    expect(await story.state(pull)).toMatchObject({ phase: 'ready', generation });
    expect(story.status(pull)).toMatch(/^success/);
    expect(pull.comments).toHaveLength(1);
  });

  it('leaves a push to be deployed when Eph is resumed', async () => {
    const story = createStory();
    const pull = await ready(story);
    await say(story, 'everything');
    const sha = story.push(pull);
    await story.platform.advance(minutes(10));
    expect((await story.state(pull)).phase).toBe('stopped');
    await say(story, 'no');
    expect(story.status(pull)).toBe(`success: ${sha.slice(0, 7)} is running`);
  });

  it('leaves a failed commit failed, and what served before it serves again afterwards', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = await ready(story);
    const served = pull.headSha;
    platform.hosts.habits.build = 'failed';
    story.push(pull);
    await platform.advance(minutes(10));
    expect(story.comment(pull)).toContain(`The address still serves \`${served.slice(0, 7)}\``);
    await say(story, 'everything');
    expect((await story.state(pull)).phase).toBe('stopped');
    expect(story.comment(pull)).toContain('Preview is asleep');
    expect(story.comment(pull)).not.toContain('still serves');
    await say(story, 'no');
    const { phase, host } = await story.state(pull);
    expect(phase).toBe('failed');
    expect(platform.hosts.serving(instanceOf(host ? { host } : {}) ?? '')?.sha).toBe(served);
    expect(story.comment(pull)).toContain(`The address still serves \`${served.slice(0, 7)}\``);
  });

  it('leaves a failed commit with nothing before it without a machine until the next push', async () => {
    const story = createStory();
    const { platform } = story;
    platform.hosts.habits.build = 'failed';
    const pull = await ready(story);
    expect((await story.state(pull)).phase).toBe('failed');
    await say(story, 'everything');
    expect((await story.state(pull)).phase).toBe('stopped');
    platform.hosts.habits.build = 'ready';
    await say(story, 'no');
    expect((await story.state(pull)).phase).toBe('failed');
    const [instance = ''] = (await story.whatExists()).instances;
    expect(platform.ec2.find(instance)?.state).toBe('stopped');
    story.push(pull);
    await platform.advance(minutes(10));
    expect((await story.state(pull)).phase).toBe('ready');
  });

  it('leaves off a machine whose build it ended, and whose next commit cannot be used', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = await ready(story);
    platform.hosts.habits.build = 'stuck';
    story.push(pull);
    await platform.advance(minutes(2));
    await say(story, 'everything');
    story.push(pull, { 'eph.yaml': 'primry: web' });
    await platform.advance(minutes(2));
    platform.hosts.habits.build = 'ready';
    await say(story, 'no');
    await platform.advance(hours(1));
    expect((await story.state(pull)).phase).toBe('failed');
    const [instance = ''] = (await story.whatExists()).instances;
    expect(platform.ec2.find(instance)?.state).toBe('stopped');
    const sha = story.push(pull);
    await platform.advance(minutes(10));
    expect(story.status(pull)).toBe(`success: ${sha.slice(0, 7)} is running`);
  });

  it('in the middle of a run that read the setting before is read before that run releases the row', async () => {
    const story = createStory();
    const { platform } = story;
    platform.watch = async (call, perform) => {
      if (call !== 's3 PutObject') return perform();
      platform.watch = undefined;
      platform.operator.paused = 'everything';
      await platform.sweep('wake-all');
      await platform.deliverAll();
      return perform();
    };
    story.openPullRequest();
    await platform.deliverAll();
    const [instance = ''] = (await story.whatExists()).instances;
    expect(platform.ec2.find(instance)?.state).toBe('stopped');
  });

  it('switches a machine off again that somebody switched on by hand', async () => {
    const story = createStory();
    const pull = await ready(story);
    await say(story, 'everything');
    const { instances } = await story.whatExists();
    story.platform.ec2.startInstances(instances);
    const wake = { v: 1, kind: 'wake', delivery: 'd', environment: story.key(pull), cause: 'x' } as const;
    await story.platform.ports.jobs.send({ ...wake, suspect: true });
    await story.platform.advance(minutes(2));
    expect(story.platform.ec2.find(instances[0] ?? '')?.state).toBe('stopped');
  });
});

describe('a pause as closed', () => {
  it('removes everything at once, disks too, and says that Eph is being taken down', async () => {
    const story = keptForADay();
    const pull = await ready(story);
    const asleep = await ready(story);
    story.close(asleep);
    const draft = story.openPullRequest({ draft: true });
    await story.platform.advance(minutes(5));
    await say(story, 'closed');
    expect(await story.whatExists()).toEqual(nothing);
    expect(story.comment(pull)).toContain('Eph is being taken down. Address, machine and disk are gone');
    for (const one of [pull, asleep, draft]) expect((await story.state(one)).phase).toBe('destroyed');
  });

  it('does not wait for GitHub to answer', async () => {
    const story = keptForADay();
    await ready(story);
    story.platform.github.faults.failNext('*', new GithubError(502, 'Bad Gateway'), 1_000);
    await say(story, 'closed');
    const { deployments: _told, ...rest } = await story.whatExists();
    expect(Object.values(rest).flat()).toEqual([]);
  });

  it('begins nothing for a pull request that is opened meanwhile', async () => {
    const story = createStory();
    await say(story, 'closed');
    const pull = story.openPullRequest();
    await story.platform.advance(minutes(5));
    expect(await story.whatExists()).toEqual(nothing);
    expect((await story.state(pull)).phase).toBe('destroyed');
    expect(pull.comments).toEqual([]);
  });

  it('that ends (a destroy that was given up) brings what is open back at its address', async () => {
    const story = createStory();
    const pull = await ready(story);
    const { hostname } = await story.state(pull);
    await say(story, 'closed');
    const opened = story.openPullRequest();
    await story.platform.advance(minutes(5));
    await say(story, 'no');
    expect(await story.state(pull)).toMatchObject({ phase: 'ready', hostname });
    expect((await story.state(opened)).phase).toBe('ready');
    expect((await story.state(pull)).forgetAt).toBeUndefined();
  });
});

describe('the operator’s setting', () => {
  it('is read once a minute by each process, however many messages come', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = await ready(story);
    await platform.advance(minutes(2));
    const reads = () => platform.calls.filter((call) => call === 'ssm GetParameters').length;
    const before = reads();
    for (let count = 0; count < 10; count += 1) {
      story.redeliver(pull);
      await platform.advance(1_000);
    }
    expect(reads()).toBe(before + 1);
  });

  it('wakes, when it changes, each environment that is not gone once', async () => {
    const story = createStory();
    const { platform } = story;
    const gone = await ready(story);
    story.close(gone);
    await platform.advance(minutes(5));
    await ready(story);
    const before = platform.queue.messages().length;
    await platform.sweep('wake-all');
    expect(platform.queue.messages()).toHaveLength(before + 1);
  });
});
