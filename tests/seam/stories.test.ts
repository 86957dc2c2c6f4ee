import { afterEach, describe, expect, it } from 'vitest';
import type { PullRequest } from '../../local/github/github-state.ts';
import { createTestPlatform } from '../fakes/create-test-platform.ts';
import { createStory, hours, minutes, type Story } from '../fakes/story.ts';
import { expectServed } from '../lambdas/expect-served.ts';
import { describeStories } from './describe-stories.ts';
import { ec2Place, processPlace } from './github-place.ts';
import { type ProcessCloud, processCloud } from './process-cloud.ts';

const open: ProcessCloud[] = [];
afterEach(() => {
  for (const cloud of open.splice(0)) cloud.end();
});

function begin(): ProcessCloud {
  const cloud = processCloud();
  open.push(cloud);
  return cloud;
}

describeStories('environments are machines of EC2', (config = {}) =>
  ec2Place(createTestPlatform({ config })),
);
describeStories('environments are processes', (config = {}) => {
  const cloud = begin();
  return processPlace(createTestPlatform({ config, cloud }), cloud);
});

async function ready(story: Story): Promise<PullRequest> {
  const pull = story.openPullRequest();
  await story.platform.advance(minutes(10));
  return pull;
}

describe('where environments are processes', () => {
  function scene() {
    const cloud = begin();
    return { cloud, story: createStory(createTestPlatform({ cloud })) };
  }

  it('Eph never calls EC2, S3 or the table of machines', async () => {
    const { story } = scene();
    const pull = await ready(story);
    story.push(pull);
    await story.platform.advance(minutes(5));
    story.close(pull);
    await story.platform.advance(minutes(5));
    await story.platform.sweep('compare');
    const { calls } = story.platform;
    expect(calls.filter((call) => /^(ec2|s3|ssm SendCommand|dynamodb \w+ hosts)/.test(call))).toEqual([]);
    expect(calls.filter((call) => call.startsWith('process '))).not.toEqual([]);
  });

  it('a pull request that asks for any type of machine is served like any other', async () => {
    const { story } = scene();
    const pull = story.openPullRequest({ files: { 'eph.yaml': 'instance_type: big' } });
    await story.platform.advance(minutes(10));
    await expectServed(story, pull);
  });

  it('visitors reach the environment by its current address', async () => {
    const { cloud, story } = scene();
    const pull = await ready(story);
    const [name = ''] = cloud.units();
    const { ingress } = await story.state(pull);
    if (!ingress) throw new Error('there is no address');
    const { token } = await story.platform.ports.ingress.attachment(ingress);
    expect(cloud.page(name)).toEqual({ sha: pull.headSha, token });
  });

  it('a process that is killed without an event is found by the garbage collection', async () => {
    const { cloud, story } = scene();
    const pull = await ready(story);
    await story.platform.advance(hours(1));
    const [name = ''] = cloud.units();
    cloud.kill(name);
    for (const { id } of story.platform.queue.messages()) story.platform.queue.delete(id);
    await story.platform.advance(minutes(30));
    expect(cloud.isRunning(name)).toBe(false);
    await story.platform.sweep('compare');
    await story.platform.advance(minutes(5));
    await expectServed(story, pull);
    expect(cloud.units()).toEqual([name]);
  });
});
