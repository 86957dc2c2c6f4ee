import { afterEach, describe, expect, it } from 'vitest';
import type { Pause } from '#core/pause';
import type { PullRequest } from '../../local/github/github-state.ts';
import { createWorld } from '../fakes/create-world.ts';
import { createStory, hours, minutes, nothing, type Story } from '../fakes/story.ts';
import { expectServed } from '../lambdas/expect-served.ts';
import { type ProcessCloud, processCloud } from './process-cloud.ts';

const open: ProcessCloud[] = [];
afterEach(() => {
  for (const cloud of open.splice(0)) cloud.end();
});

interface Place {
  story: Story;
  /** From now on builds end so. */
  build(outcome: 'ready' | 'failed'): void;
}

function onEc2(config: Record<string, string>): Place {
  const story = createStory(createWorld({ config }));
  return {
    story,
    build(outcome) {
      story.world.hosts.habits.build = outcome;
    },
  };
}

function amongProcesses(config: Record<string, string>): Place {
  const cloud = processCloud();
  open.push(cloud);
  return {
    story: createStory(createWorld({ config, cloud })),
    build(outcome) {
      cloud.habits.build = outcome;
    },
  };
}

async function ready(story: Story): Promise<PullRequest> {
  const pull = story.openPullRequest();
  await story.world.advance(minutes(10));
  return pull;
}

async function say(story: Story, pause: Pause): Promise<void> {
  story.world.operator.paused = pause;
  await story.world.sweep('wake-all');
  await story.world.advance(minutes(5));
}

/** What pull requests live through is the same wherever environments run. */
describe.each([
  ['machines of EC2', onEc2],
  ['processes', amongProcesses],
])('where environments are %s, a pull request', (_where, begin) => {
  const place = (config: Record<string, string> = {}) => begin(config);
  const keptForADay = () => place({ TERMINATE_AFTER_SECONDS: '86400' });

  it('that is opened is served, and people are told where', async () => {
    const { story } = place();
    const pull = await ready(story);
    await expectServed(story, pull);
    const { hostname } = await story.state(pull);
    expect(story.comment(pull)).toContain(`https://${hostname}`);
    expect(story.comment(pull)).toContain(`https://api--${hostname}`);
  });

  it('that is pushed to is served anew by the same unit', async () => {
    const { story } = place();
    const pull = await ready(story);
    const { instances } = await story.whatExists();
    story.push(pull);
    await story.world.advance(minutes(3));
    await expectServed(story, pull);
    expect((await story.whatExists()).instances).toEqual(instances);
  });

  it('that is pushed to while it is built is served at its newest commit', async () => {
    const { story } = place();
    const pull = story.openPullRequest();
    await story.world.advance(30_000);
    story.push(pull);
    await story.world.advance(minutes(10));
    await expectServed(story, pull);
  });

  it('whose push fails goes on serving what it served, and says both', async () => {
    const { story, build } = place();
    const pull = await ready(story);
    const served = pull.headSha;
    build('failed');
    story.push(pull);
    await story.world.advance(minutes(5));
    const { host, phase } = await story.state(pull);
    expect(phase).toBe('failed');
    expect(story.world.units.served(host?.handle)).toBe(served);
    expect(story.comment(pull)).toContain(`The address still serves \`${served.slice(0, 7)}\``);
  });

  it('that is closed leaves nothing', async () => {
    const { story } = place();
    const pull = await ready(story);
    story.close(pull);
    await story.world.advance(minutes(5));
    expect(await story.whatExists()).toEqual(nothing);
    expect(story.comment(pull)).toContain('Preview removed');
  });

  it('that is closed while it begins leaves nothing', async () => {
    const { story } = place();
    const pull = story.openPullRequest();
    await story.world.deliverAll();
    expect((await story.whatExists()).instances).toHaveLength(1);
    story.close(pull);
    await story.world.advance(minutes(5));
    expect(await story.whatExists()).toEqual(nothing);
  });

  it('that is closed and kept for a day serves nobody, and is gone when the day is over', async () => {
    const { story } = keptForADay();
    const pull = await ready(story);
    story.close(pull);
    await story.world.advance(minutes(5));
    const { instances, tunnels, records } = await story.whatExists();
    expect({ kept: instances.length, tunnels, records }).toEqual({ kept: 1, tunnels: [], records: [] });
    expect(story.world.units.served((await story.state(pull)).host?.handle)).toBeUndefined();
    await story.world.advance(hours(25));
    await story.world.sweep('due');
    await story.world.advance(minutes(5));
    expect(await story.whatExists()).toEqual(nothing);
  });

  it('that is reopened within its day is served at the same name by the same unit', async () => {
    const { story } = keptForADay();
    const pull = await ready(story);
    const before = { ...(await story.whatExists()), ...(await story.state(pull)) };
    story.close(pull);
    await story.world.advance(hours(1));
    story.reopen(pull);
    await story.world.advance(minutes(10));
    await expectServed(story, pull);
    const after = { ...(await story.whatExists()), ...(await story.state(pull)) };
    expect(after.instances).toEqual(before.instances);
    expect(after.hostname).toBe(before.hostname);
  });

  it('that is reopened when nothing was left is served by another unit', async () => {
    const { story } = place();
    const pull = await ready(story);
    const { instances } = await story.whatExists();
    story.close(pull);
    await story.world.advance(minutes(5));
    story.reopen(pull);
    await story.world.advance(minutes(10));
    await expectServed(story, pull);
    expect((await story.whatExists()).instances).not.toEqual(instances);
  });

  it('sleeps while everything is paused, and wakes with what it served; nothing is deployed anew', async () => {
    const { story } = place();
    const pull = await ready(story);
    const { generation, host } = await story.state(pull);
    const before = await story.whatExists();
    await say(story, 'everything');
    expect((await story.state(pull)).phase).toBe('stopped');
    expect(story.world.units.served(host?.handle)).toBeUndefined();
    expect(await story.whatExists()).toEqual({ ...before, deployments: [] });
    await say(story, 'no');
    await expectServed(story, pull);
    expect((await story.state(pull)).generation).toBe(generation);
  });

  it('that is pushed to while it sleeps wakes with the newest commit', async () => {
    const { story } = place();
    const pull = await ready(story);
    await say(story, 'everything');
    story.push(pull);
    await story.world.advance(minutes(5));
    await say(story, 'no');
    await expectServed(story, pull);
  });

  it('waits while launches are paused, and begins when Eph is resumed', async () => {
    const { story } = place();
    await say(story, 'launches');
    const pull = await ready(story);
    expect((await story.state(pull)).phase).toBe('queued');
    expect((await story.whatExists()).instances).toEqual([]);
    await say(story, 'no');
    await expectServed(story, pull);
  });

  it('is looked after by the comparison, which finds nothing to do', async () => {
    const { story } = place();
    const pull = await ready(story);
    for (let hour = 0; hour < 3; hour += 1) {
      await story.world.advance(hours(1));
      await story.world.sweep('compare');
    }
    await story.world.advance(minutes(1));
    await expectServed(story, pull);
  });
});

describe('where environments are processes', () => {
  function scene() {
    const cloud = processCloud();
    open.push(cloud);
    return { cloud, story: createStory(createWorld({ cloud })) };
  }

  it('nothing is ever called of EC2, S3 or the table of machines', async () => {
    const { story } = scene();
    const pull = await ready(story);
    story.push(pull);
    await story.world.advance(minutes(5));
    story.close(pull);
    await story.world.advance(minutes(5));
    await story.world.sweep('compare');
    const { calls } = story.world;
    expect(calls.filter((call) => /^(ec2|s3|ssm SendCommand|dynamodb \w+ hosts)/.test(call))).toEqual([]);
    expect(calls.filter((call) => call.startsWith('process '))).not.toEqual([]);
  });

  it('no type of machine is wrong: a pull request that asks for one is served like any other', async () => {
    const { story } = scene();
    const pull = story.openPullRequest({ files: { 'eph.yaml': 'instance_type: big' } });
    await story.world.advance(minutes(10));
    await expectServed(story, pull);
  });

  it('visitors come by the address that the environment has now', async () => {
    const { cloud, story } = scene();
    const pull = await ready(story);
    const [name = ''] = cloud.units();
    const { ingress } = await story.state(pull);
    if (!ingress) throw new Error('there is no address');
    const { token } = await story.world.ports.ingress.attachment(ingress);
    expect(cloud.page(name)).toEqual({ sha: pull.headSha, token });
  });

  it('one that is killed while nobody hears of it is found by the comparison', async () => {
    const { cloud, story } = scene();
    const pull = await ready(story);
    await story.world.advance(hours(1));
    const [name = ''] = cloud.units();
    cloud.kill(name);
    for (const { id } of story.world.queue.messages()) story.world.queue.delete(id);
    await story.world.advance(minutes(30));
    expect(cloud.isRunning(name)).toBe(false);
    await story.world.sweep('compare');
    await story.world.advance(minutes(5));
    await expectServed(story, pull);
    expect(cloud.units()).toEqual([name]);
  });
});
