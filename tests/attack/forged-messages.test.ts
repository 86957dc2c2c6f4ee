import { array, assert, asyncProperty, constantFrom, integer, oneof, record } from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { CALL_BURST, CALL_INTERVAL } from '../../lambdas/providers/github/github-limits.ts';
import type { PullRequest } from '../../local/github/github-state.ts';
import { createTestPlatform } from '../fakes/create-test-platform.ts';
import { instanceOf } from '../fakes/instance-of.ts';
import { createStory, hours, minutes, type Story } from '../fakes/story.ts';

/**
 * With the Worker's key, anybody can put any text into the queue. A message is a hint: none of them may remove
 * anything that GitHub does not want removed, or build anything that GitHub does not know.
 */
interface Scene {
  story: Story;
  /** One of a public and one of a private repository; both serve. */
  pulls: PullRequest[];
  before: unknown;
}

async function setScene(): Promise<Scene> {
  const story = createStory(createTestPlatform({ config: { TERMINATE_AFTER_SECONDS: '0' } }));
  const { platform, organization, author } = story;
  const blog = platform.github.repositories.create(organization, author, { name: 'blog', private: true });
  blog.branches.set('main', 'a'.repeat(40));
  const pulls = [story.openPullRequest(), story.openPullRequest({ repository: blog })];
  await platform.advance(minutes(10));
  return { story, pulls, before: await seen({ story, pulls }) };
}

/** Everything that could be lost: machines with their disks, addresses, and what people read. */
async function seen({ story, pulls }: Pick<Scene, 'story' | 'pulls'>) {
  const states = await Promise.all(pulls.map((pull) => story.state(pull)));
  return {
    exists: await story.whatExists(),
    environments: states.map(({ phase, host, hostname }) => ({
      phase,
      host: instanceOf(host ? { host } : {}),
      hostname,
    })),
    power: states.map(({ host }) => host && story.platform.ec2.find(instanceOf({ host }) ?? '')?.state),
    people: pulls.map((pull) => [story.comment(pull), story.status(pull), pull.comments.length]),
  };
}

const installationIds = ({ story }: Scene) => [story.installation.id, 1, 424_242];
const repositoryIds = ({ pulls }: Scene) => [...pulls.map(({ repositoryId }) => repositoryId), 31_337];

/** A message as an attacker would write it, from a few random numbers. */
type Forge = (scene: Scene, pick: (from: readonly unknown[]) => unknown) => object | string;

const names = [
  { owner: 'acme', name: 'shop' },
  { owner: 'acme', name: 'blog' },
  { owner: 'acme', name: 'invented' },
  { owner: 'mallory', name: 'shop' },
];
const job = (kind: string, rest: object) => ({ v: 1, kind, delivery: 'forged', ...rest });
const repositoryOf = (scene: Scene, pick: Parameters<Forge>[1]) => ({
  id: pick(repositoryIds(scene)),
  ...(pick(names) as object),
});

const forgeries: Record<string, Forge> = {
  repository: (scene, pick) =>
    job('repository', {
      action: pick(['deleted', 'transferred', 'renamed', 'archived', 'unarchived']),
      installationId: pick(installationIds(scene)),
      repository: repositoryOf(scene, pick),
    }),
  installation: (scene, pick) =>
    job('installation', {
      action: pick([
        'deleted',
        'suspend',
        'unsuspend',
        'created',
        'repositories_added',
        'repositories_removed',
      ]),
      installationId: pick(installationIds(scene)),
      repositoryIds: pick([[], repositoryIds(scene)]),
    }),
  'pull request': (scene, pick) =>
    job('pull_request', {
      action: pick(['closed', 'opened', 'converted_to_draft', 'synchronize']),
      installationId: pick(installationIds(scene)),
      repository: repositoryOf(scene, pick),
      number: pick([1, 2, 99]),
    }),
  wake: (scene, pick) =>
    job('wake', {
      environment: pick([...scene.pulls.map(scene.story.key), '31337#1', 'nonsense', '#', '1#-1']),
      cause: 'forged',
      // These are the forms of the version before, which an attacker may still send.
      gone: pick([true, false]),
      deleted: pick([true, false]),
      access: pick([true, false]),
      fresh: pick([true, false]),
      suspect: pick([true, false]),
      timer: pick([true, false]),
    }),
  'state of a machine': (scene, pick) => ({
    'detail-type': 'EC2 Instance State-change Notification',
    detail: {
      'instance-id': pick([...machinesOf(scene), 'i-0123456789abcdef0', '']),
      state: pick(['stopped', 'terminated', 'running']),
    },
  }),
  'report of a host': (scene, pick) => ({
    Records: [
      {
        eventSource: 'aws:s3',
        s3: {
          object: {
            key: `hosts/AROATESTHOST%3A${pick([...machinesOf(scene), '../x', ''])}/${pick(['progress', 'result'])}.json`,
          },
        },
      },
    ],
  }),
  nonsense: (_scene, pick) => String(pick(['', '{', '[]', 'null', '{"v":2}', '{"v":1,"kind":"destroy"}'])),
};

function machinesOf({ story }: Scene): string[] {
  return story.platform.ec2.describeInstances({}).instances.map(({ id }) => id);
}

function forge(scene: Scene, kind: string, dice: readonly number[]): string {
  let rolls = 0;
  const pick = (from: readonly unknown[]) => from[(dice[rolls++ % dice.length] ?? 0) % from.length];
  const message = forgeries[kind]?.(scene, pick) ?? '';
  return typeof message === 'string' ? message : JSON.stringify(message);
}

describe('a forged message', () => {
  it('of any kind, in any number, removes nothing and builds nothing', async () => {
    const message = record({
      kind: constantFrom(...Object.keys(forgeries)),
      dice: array(integer({ min: 0, max: 1_000 }), { minLength: 10, maxLength: 10 }),
    });
    const pause = oneof(integer({ min: 0, max: 5_000 }), integer({ min: 0, max: hours(3) }));
    await assert(
      asyncProperty(array(record({ message, pause }), { minLength: 1, maxLength: 12 }), async (attack) => {
        const scene = await setScene();
        const { platform } = scene.story;
        for (const step of attack) {
          platform.queue.push(forge(scene, step.message.kind, step.message.dice));
          await platform.advance(step.pause);
        }
        for (let hour = 0; hour < 30; hour += 6) {
          await platform.sweep('due');
          await platform.sweep('compare');
          await platform.advance(hours(6));
        }
        expect(await seen(scene)).toEqual(scene.before);
        expect(platform.calls.filter((call) => call === 'ec2 RunInstances')).toHaveLength(scene.pulls.length);
      }),
      { numRuns: 60, endOnFailure: false },
    );
  });
});

describe('a preview that runs', () => {
  let scene: Scene;
  beforeEach(async () => {
    scene = await setScene();
  });

  const send = async (message: object) => {
    scene.story.platform.queue.push(JSON.stringify(message));
    await scene.story.platform.advance(minutes(30));
  };

  it.each(['deleted', 'transferred', 'archived'])(
    'does not change by “repository %s” with invented names',
    async (action) => {
      const [{ repositoryId: id } = { repositoryId: 0 }] = scene.pulls;
      const repository = { id, owner: 'nobody', name: 'invented' };
      await send(job('repository', { action, installationId: 1, repository }));
      expect(await seen(scene)).toEqual(scene.before);
    },
  );

  it.each(['deleted', 'suspend', 'repositories_removed'])(
    'does not change by “installation %s”',
    async (action) => {
      const repositoryIds = scene.pulls.map(({ repositoryId }) => repositoryId);
      await send(
        job('installation', { action, installationId: scene.story.installation.id, repositoryIds: [] }),
      );
      await send(job('installation', { action, installationId: 1, repositoryIds }));
      expect(await seen(scene)).toEqual(scene.before);
    },
  );

  it('does not change by the name of another repository with the same number', async () => {
    const [pull] = scene.pulls;
    if (!pull) throw new Error('there is none');
    const repository = { id: pull.repositoryId, owner: 'acme', name: 'blog' };
    const { id: installationId } = scene.story.installation;
    await send(job('pull_request', { action: 'closed', installationId, repository, number: pull.number }));
    expect(await seen(scene)).toEqual(scene.before);
  });

  it('has GitHub called no more than one environment may, with ten messages a second', async () => {
    const { story } = scene;
    const { platform } = story;
    const [pull] = scene.pulls;
    if (!pull) throw new Error('there is none');
    const message = JSON.stringify(
      job('pull_request', {
        action: 'edited',
        installationId: story.installation.id,
        repository: { id: pull.repositoryId, owner: 'acme', name: 'shop' },
        number: pull.number,
      }),
    );
    platform.calls.length = 0;
    const seconds = 120;
    for (let tick = 0; tick < seconds * 10; tick += 1) {
      platform.queue.push(message);
      await platform.advance(100);
    }
    const asked = platform.calls.filter((call) => call.startsWith('github ')).length;
    expect(asked).toBeGreaterThan(CALL_BURST / 2);
    expect(asked).toBeLessThanOrEqual(CALL_BURST + (seconds * 1_000) / CALL_INTERVAL + 1);
    // What GitHub really answers is taken in soon after.
    story.close(pull);
    await platform.advance(minutes(2));
    expect((await story.state(pull)).phase).toBe('destroyed');
  });
});
