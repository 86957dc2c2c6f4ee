import { describe, expect, it } from 'vitest';
import { createTestPlatform, stateChange } from '../fakes/create-test-platform.ts';
import { createStory, hours, minutes } from '../fakes/story.ts';

const STRANGER = 'i-0123456789abcdef0';

async function readyStory(config: Record<string, string> = {}) {
  const story = createStory(createTestPlatform({ config }));
  const pull = story.openPullRequest();
  await story.platform.advance(hours(1));
  const [instanceId = ''] = (await story.whatExists()).instances;
  return { story, pull, instanceId };
}

describe('a machine in an event of EC2', () => {
  it('was terminated, and Eph replaces it at once, before the hourly garbage collection', async () => {
    const { story, pull, instanceId } = await readyStory();
    story.platform.ec2.terminateInstances([instanceId]);
    await story.platform.advance(minutes(10));
    const { instances } = await story.whatExists();
    expect(instances).toHaveLength(1);
    expect(instances).not.toContain(instanceId);
    expect((await story.state(pull)).phase).toBe('ready');
  });

  it('ended twice before it reported, and Eph says why, in its words, and starts no third one', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    for (let attempt = 0; attempt < 4; attempt += 1) {
      await platform.advance(3_000);
      for (const id of (await story.whatExists()).instances) {
        platform.ec2.terminateInstances([id]);
      }
    }
    await platform.advance(hours(2));
    expect(platform.calls.filter((call) => call === 'ec2 RunInstances')).toHaveLength(2);
    expect((await story.state(pull)).phase).toBe('failed');
    expect(story.comment(pull)).toContain('2 machines were started and ended before they reported.');
    expect(story.comment(pull)).toContain('The cloud says: Client.UserInitiatedShutdown');
    story.push(pull);
    await platform.advance(minutes(10));
    expect((await story.state(pull)).phase).toBe('ready');
  });

  it('was stopped, and Eph switches it on again', async () => {
    const { story, instanceId } = await readyStory();
    story.platform.ec2.stopInstances([instanceId]);
    await story.platform.advance(minutes(10));
    expect(story.platform.ec2.find(instanceId)?.state).toBe('running');
  });

  it('was stopped by Eph itself, and no forge is asked about it', async () => {
    const { story, pull, instanceId } = await readyStory({ TERMINATE_AFTER_SECONDS: '86400' });
    story.close(pull);
    await story.platform.advance(minutes(5));
    story.platform.calls.length = 0;
    await story.platform.take(stateChange('event', { id: instanceId, state: 'stopped' }));
    expect(story.platform.calls).toEqual(['dynamodb GetItem hosts', 'dynamodb GetItem environments']);
  });

  it('belongs to somebody else, and Eph does nothing and logs nothing', async () => {
    const platform = createTestPlatform();
    const body = stateChange('event', { id: STRANGER, state: 'stopped' });
    expect(await platform.take(body)).toEqual({ batchItemFailures: [] });
    expect(platform.calls).toEqual(['dynamodb GetItem hosts']);
    expect(platform.logs).toEqual([]);
  });

  it('is being stopped, and Eph does nothing yet', async () => {
    const platform = createTestPlatform();
    for (const state of ['pending', 'running', 'stopping', 'shutting-down'] as const) {
      await platform.take(stateChange('event', { id: STRANGER, state }));
    }
    expect(platform.calls).toEqual([]);
  });
});
