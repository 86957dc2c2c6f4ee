import { describe, expect, it } from 'vitest';
import type { PullRequest } from '../../local/github/github-state.ts';
import { createStory, minutes, nothing, type Story } from '../fakes/story.ts';
import { expectServed } from './expect-served.ts';

/** A message reaches Eph in the middle of its work: before each call of an opening, one after the other. */
interface Interruption {
  name: string;
  speak(story: Story, pull: PullRequest): void | Promise<void>;
  expected(story: Story, pull: PullRequest): Promise<void>;
}

async function expectAnnounced(story: Story, pull: PullRequest): Promise<void> {
  await expectServed(story, pull);
  expect(pull.comments).toHaveLength(1);
}

const interruptions: Interruption[] = [
  {
    name: 'a close ends with nothing left',
    speak: (story, pull) => story.close(pull),
    async expected(story) {
      expect(await story.whatExists()).toEqual(nothing);
    },
  },
  {
    name: 'a push ends with the newest commit',
    speak: (story, pull) => void story.push(pull),
    expected: expectAnnounced,
  },
  {
    name: 'a close and a reopening end with one environment',
    speak(story, pull) {
      story.close(pull);
      story.reopen(pull);
    },
    expected: expectAnnounced,
  },
  {
    name: 'the same delivery again changes nothing',
    speak: (story, pull) => story.redeliver(pull),
    expected: expectAnnounced,
  },
  {
    name: 'a sweep and a garbage collection change nothing',
    async speak({ platform }) {
      await platform.sweep('due');
      await platform.sweep('compare');
    },
    expected: expectAnnounced,
  },
];

async function play(at: number, interruption: Interruption) {
  const story = createStory();
  const { platform } = story;
  const pull = story.openPullRequest();
  let count = 0;
  platform.watch = async (_call, perform) => {
    count += 1;
    if (count !== at) return perform();
    await interruption.speak(story, pull);
    await platform.deliverAll();
    return perform();
  };
  await platform.advance(minutes(15));
  return { story, pull, reached: count >= at };
}

describe('in the middle of an opening', () => {
  it.each(interruptions)('$name', async (interruption) => {
    const wrong: string[] = [];
    for (let at = 1; ; at += 1) {
      const { story, pull, reached } = await play(at, interruption);
      if (!reached) break;
      await interruption.expected(story, pull).catch((error: unknown) => {
        wrong.push(`before call ${at}: ${String(error)}`);
      });
    }
    expect(wrong).toEqual([]);
  });

  it('a message that comes during a run is acted on by that run, without waiting for the lease', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    let said = false;
    platform.watch = async (call, perform) => {
      if (call === 's3 PutObject' && !said) {
        said = true;
        story.close(pull);
        await platform.deliverAll();
      }
      return perform();
    };
    await platform.deliverAll();
    expect(await story.whatExists()).toEqual(nothing);
  });

  it('a message that comes at the end of a run makes nothing happen twice', async () => {
    const story = createStory();
    const { platform } = story;
    const pull = story.openPullRequest();
    platform.watch = async (call, perform) => {
      if (call === 'github repos/create-commit-status') {
        platform.watch = undefined;
        story.redeliver(pull);
        await platform.deliverAll();
      }
      return perform();
    };
    await platform.deliverAll();
    const told = [
      'repos/create-commit-status',
      'issues/create-comment',
      'repos/create-deployment',
      'repos/create-deployment-status',
      'git/get-tree',
    ];
    const counts = told.map((name) => platform.calls.filter((call) => call === `github ${name}`).length);
    expect(counts).toEqual([1, 1, 1, 1, 1]);
  });
});
