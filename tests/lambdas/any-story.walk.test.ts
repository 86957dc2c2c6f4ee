import { array, assert, asyncProperty, constantFrom, record } from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Pause } from '#core/pause';
import type { PullRequest } from '../../local/github/github-state.ts';
import { createTestPlatform, Death } from '../fakes/create-test-platform.ts';
import { instanceOf } from '../fakes/instance-of.ts';
import { createStory, hours, minutes, nothing, type Story } from '../fakes/story.ts';

/**
 * One pull request and whatever may happen to it, in any order and at any pace. When all is at rest again, what
 * exists and what people read must be what GitHub's last answer asks for: every state has a way out.
 */
const UNUSABLE = { 'eph.yaml': 'primry: web' };

type Act = (story: Story, pull: PullRequest) => unknown;
const say =
  (pause: Pause): Act =>
  async ({ platform }) => {
    platform.operator.paused = pause;
    await platform.sweep('wake-all');
  };
const acts: Record<string, Act> = {
  push: (story, pull) => story.push(pull),
  'push an unusable eph.yaml': (story, pull) => story.push(pull, UNUSABLE),
  close: (story, pull) => story.close(pull),
  reopen: (story, pull) => story.reopen(pull),
  draft: (story, pull) => story.convertToDraft(pull),
  'ready for review': (story, pull) => story.markReady(pull),
  redeliver: (story, pull) => story.redeliver(pull),
  'pause launches': say('launches'),
  'pause everything': say('everything'),
  resume: say('no'),
  'builds fail': ({ platform }) => Object.assign(platform.hosts.habits, { build: 'failed' }),
  'builds fail and take down what served': ({ platform }) =>
    Object.assign(platform.hosts.habits, { build: 'failed', keepsServing: false }),
  'builds never end': ({ platform }) => Object.assign(platform.hosts.habits, { build: 'stuck' }),
  'machines stay silent': ({ platform }) => Object.assign(platform.hosts.habits, { build: 'silent' }),
  'builds work': ({ platform }) =>
    Object.assign(platform.hosts.habits, { build: 'ready', keepsServing: true }),
  'no capacity': ({ platform }) => platform.ec2.knobs.noCapacityIn.add('t3.small'),
  'capacity again': ({ platform }) => platform.ec2.knobs.noCapacityIn.clear(),
  'the machine is switched off by hand': ({ platform }) =>
    onEach(platform.ec2, 'running', platform.ec2.stopInstances),
  'the machine is terminated by hand': ({ platform }) =>
    onEach(platform.ec2, 'running', platform.ec2.terminateInstances),
  'a run dies at its 4th call': dieAt(4),
  'a run dies at its 9th call': dieAt(9),
  'a run dies at its 15th call': dieAt(15),
  'the garbage collection runs': ({ platform }) => platform.sweep('compare'),
};
const paces: Record<string, number> = {
  'at once': 0,
  'seconds later': 4_000,
  'a minute later': minutes(1),
  'when it is built': minutes(12),
  'hours later': hours(3),
};

function dieAt(calls: number): Act {
  return ({ platform }) => {
    let left = calls;
    platform.watch = async (_call, perform) => {
      left -= 1;
      if (left > 0) return perform();
      platform.watch = undefined;
      throw new Death();
    };
  };
}

function onEach(
  { describeInstances }: Story['platform']['ec2'],
  state: string,
  act: (ids: string[]) => unknown,
) {
  const ids = describeInstances({})
    .instances.filter((one) => one.state === state)
    .map(({ id }) => id);
  if (ids.length > 0) act(ids);
}

/** Removes every obstacle, and lets the schedule run for two days. */
async function calm({ platform }: Story): Promise<void> {
  platform.watch = undefined;
  platform.ec2.knobs.noCapacityIn.clear();
  Object.assign(platform.hosts.habits, { build: 'ready', keepsServing: true });
  platform.operator.paused = 'no';
  await platform.sweep('wake-all');
  for (let hour = 0; hour < 48; hour += hour < 4 ? 1 : 11) {
    await platform.sweep('due');
    await platform.sweep('compare');
    await platform.advance(hours(hour < 4 ? 1 : 11));
  }
}

async function expectRight(story: Story, pull: PullRequest): Promise<void> {
  const { platform } = story;
  const exists = await story.whatExists();
  const { phase, host, failure } = await story.state(pull);
  const comment = story.comment(pull) ?? '';
  if (pull.state === 'closed' || pull.draft) {
    expect(exists).toEqual(nothing);
    expect(phase).toBe(pull.state === 'closed' ? 'destroyed' : 'declined');
    return;
  }
  const machine = instanceOf({ ...(host ? { host } : {}) });
  const serving = machine && platform.hosts.serving(machine)?.sha;
  if (failure) {
    expect({ phase, sha: failure.sha }).toEqual({ phase: 'failed', sha: pull.headSha });
    expect(story.status(pull)).toMatch(/^failure: /);
    expect(comment).toMatch(/(Preview|Update) failed/);
    const [, told] = /still serves `(\w+)`/.exec(comment) ?? [];
    expect(told).toBe(told && serving?.slice(0, 7));
    if (told) expect(exists.records.length).toBeGreaterThan(0);
    if (platform.files.get(pull.headSha)?.['eph.yaml']) expect(comment).toContain('eph.yaml cannot be used');
    return;
  }
  expect(platform.files.get(pull.headSha)?.['eph.yaml']).toBeUndefined();
  expect({ phase, serving }).toEqual({ phase: 'ready', serving: pull.headSha });
  expect(story.status(pull)).toBe(`success: ${pull.headSha.slice(0, 7)} is running`);
  expect(comment).toContain('Preview is ready');
  expect(exists).toMatchObject({
    instances: [instanceOf(host ? { host } : {})],
    deployments: [pull.headSha],
  });
  expect(exists.tunnels).toHaveLength(1);
  expect(exists.records).toHaveLength(2);
}

describe('a story that went wrong once', () => {
  it('a machine is not believed to serve after a run died that had switched it on again', async () => {
    const story = createStory(createTestPlatform());
    const pull = story.openPullRequest();
    await story.platform.advance(hours(3));
    story.push(pull);
    await story.platform.advance(hours(3));
    dieAt(9)(story, pull);
    Object.assign(story.platform.hosts.habits, { build: 'silent' });
    onEach(story.platform.ec2, 'running', story.platform.ec2.stopInstances);
    await story.platform.advance(hours(3));
    story.redeliver(pull);
    await calm(story);
    await expectRight(story, pull);
  });
});

describe('whatever happens to a pull request', () => {
  const happening = record({
    act: constantFrom(...Object.keys(acts)),
    pace: constantFrom(...Object.keys(paces)),
  });

  it.each([
    ['its disk is kept for a day', '86400'],
    ['nothing is kept', '0'],
  ])('all is in the end as GitHub’s last answer has it (%s)', async (_what, TERMINATE_AFTER_SECONDS) => {
    await assert(
      asyncProperty(array(happening, { minLength: 1, maxLength: 15 }), async (happenings) => {
        const story = createStory(createTestPlatform({ config: { TERMINATE_AFTER_SECONDS } }));
        const pull = story.openPullRequest();
        for (const { act, pace } of happenings) {
          await story.platform.advance(paces[pace] ?? 0);
          await acts[act]?.(story, pull);
        }
        await calm(story);
        await expectRight(story, pull);
      }),
      { numRuns: 200, endOnFailure: false },
    );
  });
});
