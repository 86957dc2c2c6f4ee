import { describe, expect, it } from 'vitest';
import type { PullRequest } from '../../local/github/github-state.ts';
import { createTestPlatform } from '../fakes/create-test-platform.ts';
import { instanceOf } from '../fakes/instance-of.ts';
import { loseAnswer } from '../fakes/lose-answer.ts';
import { createStory, minutes, type Story } from '../fakes/story.ts';
import { expectServed } from './expect-served.ts';

async function mailboxSpecOf(story: Story, pull: PullRequest) {
  const spec = story.platform.mailbox.spec(instanceOf(await story.state(pull)) ?? '');
  if (!spec) throw new Error('there is no deployment spec');
  return spec;
}

/** The machine is attached to the tunnel that the row has, and has the deployment spec that the row knows of. */
async function expectInPlace(story: Story, pull: PullRequest): Promise<void> {
  await expectServed(story, pull);
  const { order } = await story.state(pull);
  expect((await mailboxSpecOf(story, pull)).generation).toBe(order?.generation);
  const { machine } = story.platform.cloudflare;
  const [tunnel] = machine.listTunnels({ is_deleted: 'false' }).items;
  expect(machine.liveConnections(tunnel?.id ?? '')).toHaveLength(1);
}

/** A run sent it, had no answer and ended, and it gets into the mailbox all the same. */
describe('a deployment spec that arrives late', () => {
  it('does not take the place of the one that followed a reopening', async () => {
    const story = createStory(createTestPlatform({ config: { TERMINATE_AFTER_SECONDS: '86400' } }));
    const { platform } = story;
    const pull = story.openPullRequest();
    const late = loseAnswer(story, 's3 PutObject');
    await platform.advance(minutes(5));
    story.close(pull);
    await platform.advance(minutes(2));
    story.reopen(pull);
    // It has taken its deployment spec and builds.
    await platform.advance(50_000);
    await late.comeTrue().catch(() => undefined);
    await platform.advance(minutes(15));
    await expectInPlace(story, pull);
  });

  it('makes no machine serve an older commit with secrets that were removed', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    platform.secrets.set(story.repository.id, { KEY: 'taken back' });
    const late = loseAnswer(story, 's3 PutObject');
    await platform.deliverAll();
    platform.secrets.set(story.repository.id, { KEY: 'new' });
    story.push(pull);
    await platform.advance(10_000);
    // The machine boots, and has read nothing yet.
    await late.comeTrue().catch(() => undefined);
    await platform.advance(minutes(5));
    await expectInPlace(story, pull);
    expect((await mailboxSpecOf(story, pull)).secrets).toEqual({ KEY: 'new' });
  });

  it('for a commit that was taken back is followed by one for the commit before', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(5));
    const before = pull.headSha;
    const late = loseAnswer(story, 's3 PutObject');
    story.push(pull);
    await platform.deliverAll();
    platform.github.pulls.headMoved(story.repository, pull, story.author, before);
    await platform.deliverAll();
    await late.comeTrue().catch(() => undefined);
    await platform.advance(minutes(15));
    await expectInPlace(story, pull);
    expect(pull.headSha).toBe(before);
  });
});

describe('a deployment spec that is sent without trouble', () => {
  it('costs one call, also when it takes the place of another one', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    await platform.advance(minutes(10));
    story.push(pull);
    await platform.advance(minutes(10));
    story.push(pull);
    await platform.advance(minutes(10));
    const ofMailbox = platform.calls.filter((call) => /^s3 (Put|Head)Object$/.test(call));
    expect(ofMailbox).toEqual(Array(3).fill('s3 PutObject'));
    await expectInPlace(story, pull);
  });
});

describe('a machine that asks again for the files of a commit', () => {
  it('gets them in a deployment spec of its own when another commit has used up the next number', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    const before = pull.headSha;
    platform.hosts.habits.needs = 'archive';
    let writes = 0;
    platform.watch = async (call, perform) => {
      if (call !== 's3 PutObject') return perform();
      writes += 1;
      if (writes === 2) story.push(pull);
      if (writes === 3) {
        await perform();
        platform.github.pulls.headMoved(story.repository, pull, story.author, before);
      }
      if (writes === 2 || writes === 3) throw new Error('the connection was reset');
      return perform();
    };
    await platform.advance(minutes(15));
    expect(writes).toBeGreaterThan(3);
    expect(pull.headSha).toBe(before);
    await expectInPlace(story, pull);
  });
});
