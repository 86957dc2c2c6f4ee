import { describe, expect, it } from 'vitest';
import type { Pause } from '#core/pause';
import type { Handle } from '../../lambdas/providers/handle.ts';
import type { SweepTask } from '../../lambdas/sweep/sweep.ts';
import type { PullRequest } from '../../local/github/github-state.ts';
import { Death, type TestWorld, type Watch } from '../fakes/create-world.ts';
import { createStory, hours, minutes, nothing, recover, type Story } from '../fakes/story.ts';
import { expectServed } from './expect-served.ts';

/**
 * A crash around every call that leaves the process, in every story, then time and the schedule; the end must
 * be what it would have been. `dies`: the process is gone, nothing more happens, the lease stays. `fails`: the
 * call alone fails, before or after it took effect, and the process goes on.
 */
const kinds = ['dies before', 'dies after', 'fails before', 'fails after'] as const;

export interface Tale {
  name: string;
  config?: Record<string, string>;
  prepare(story: Story): Promise<PullRequest | undefined>;
  act(story: Story, pull: PullRequest | undefined): Promise<PullRequest>;
  expected(story: Story, pull: PullRequest): Promise<void>;
}

async function ready(story: Story): Promise<PullRequest> {
  const pull = story.openPullRequest();
  await story.world.advance(minutes(20));
  return pull;
}

export async function closeWhileLaunched(story: Story): Promise<PullRequest> {
  const pull = story.openPullRequest();
  await story.world.deliverAll();
  story.close(pull);
  await story.world.advance(minutes(5));
  return pull;
}

async function expectAnnounced(story: Story, pull: PullRequest): Promise<void> {
  await expectServed(story, pull);
  expect(pull.comments.map(({ body }) => body)).toEqual([expect.stringContaining('Preview is ready')]);
}

export async function expectGone(story: Story, pull: PullRequest): Promise<void> {
  expect(await story.whatExists()).toEqual(nothing);
  expect((await story.state(pull)).phase).toBe('destroyed');
  expect(pull.comments.length).toBeLessThanOrEqual(1);
  for (const { body } of pull.comments) expect(body).toContain('Address, machine and disk are gone');
}

/** What people had been told of is told to be gone. */
async function expectGoneAndTold(story: Story, pull: PullRequest): Promise<void> {
  await expectGone(story, pull);
  expect(pull.comments).toHaveLength(1);
}

/** None of them knows in which cloud it is told. */
export const tales: Tale[] = [
  {
    name: 'opened, until it is ready',
    prepare: async () => undefined,
    act: ready,
    expected: expectAnnounced,
  },
  {
    name: 'pushed, until it is ready',
    prepare: ready,
    async act(story, pull) {
      if (!pull) throw new Error('nothing was opened');
      story.push(pull);
      await story.world.advance(minutes(5));
      return pull;
    },
    expected: expectAnnounced,
  },
  {
    name: 'closed, until nothing is left',
    prepare: ready,
    async act(story, pull) {
      if (!pull) throw new Error('nothing was opened');
      story.close(pull);
      await story.world.advance(minutes(5));
      return pull;
    },
    expected: expectGoneAndTold,
  },
  {
    name: 'closed while it is being launched',
    prepare: async () => undefined,
    act: closeWhileLaunched,
    expected: expectGone,
  },
  {
    name: 'closed, kept for a day, reopened within it',
    config: { TERMINATE_AFTER_SECONDS: '86400' },
    async prepare(story) {
      const pull = await ready(story);
      story.close(pull);
      await story.world.advance(minutes(5));
      return pull;
    },
    async act(story, pull) {
      if (!pull) throw new Error('nothing was opened');
      story.reopen(pull);
      await story.world.advance(minutes(5));
      return pull;
    },
    expected: expectAnnounced,
  },
  {
    name: 'closed, kept for a day, and the day is over',
    config: { TERMINATE_AFTER_SECONDS: '86400' },
    prepare: ready,
    async act(story, pull) {
      if (!pull) throw new Error('nothing was opened');
      story.close(pull);
      await story.world.advance(hours(25));
      await trySweep(story.world, 'due');
      return pull;
    },
    expected: expectGoneAndTold,
  },
  {
    name: 'everything is paused and resumed',
    prepare: ready,
    async act(story, pull) {
      if (!pull) throw new Error('nothing was opened');
      await sayTwice(story.world, 'everything');
      await story.world.advance(minutes(5));
      await sayTwice(story.world, 'no');
      await story.world.advance(minutes(5));
      return pull;
    },
    expected: expectAnnounced,
  },
  {
    name: 'Eph is taken down',
    config: { TERMINATE_AFTER_SECONDS: '86400' },
    prepare: ready,
    async act(story, pull) {
      if (!pull) throw new Error('nothing was opened');
      await sayTwice(story.world, 'closed');
      await story.world.advance(minutes(5));
      return pull;
    },
    expected: expectGoneAndTold,
  },
  {
    name: 'a sweep that finds a unit and a tunnel of nobody',
    async prepare(story) {
      const pull = await ready(story);
      const { tunnels } = story.world;
      await makeUnitOfNobody(story.world);
      // What runs for nobody is stopped first, and removed when its disk has waited for a day.
      for (let hour = 0; hour < 24; hour += 1) {
        await story.world.advance(hours(1));
        await trySweep(story.world, 'compare');
      }
      await tunnels.ensureTunnel('eph-test-77-7-0');
      await story.world.advance(minutes(30));
      return pull;
    },
    async act(story, pull) {
      if (!pull) throw new Error('nothing was opened');
      for (let hour = 0; hour < 5; hour += 1) {
        await trySweep(story.world, 'compare');
        await story.world.advance(hours(1));
      }
      return pull;
    },
    expected: expectAnnounced,
  },
];

/** As a run does it whose row is lost afterwards. */
async function makeUnitOfNobody({ ports }: TestWorld): Promise<void> {
  let handle: Handle | undefined;
  for (let done = false; !done; ) {
    const options = { attempt: 1, refusals: 0, config: undefined };
    ({ handle, done } = await ports.compute.move('77#7', handle, 'running', options));
  }
}

/** A command that failed is said again. */
async function sayTwice(world: TestWorld, pause: Pause): Promise<void> {
  world.operator.paused = pause;
  await trySweep(world, 'wake-all');
  await trySweep(world, 'wake-all');
}

async function trySweep(world: TestWorld, task: SweepTask): Promise<void> {
  await world.sweep(task).catch(() => undefined);
  await world.deliverAll();
}

/** Where a tale is told, each time anew. */
export interface Stage {
  /** Its end, and whether it was as expected. */
  tell<T>(config: Record<string, string>, tell: (world: TestWorld) => Promise<T>): Promise<T>;
}

interface Told {
  calls: string[];
  /** What is wrong in the end. */
  fault: string | undefined;
}

function play({ tell }: Stage, tale: Tale, watch?: Watch): Promise<Told> {
  return tell(tale.config ?? {}, (world) => playIn(world, tale, watch));
}

async function playIn(world: TestWorld, tale: Tale, watch: Watch | undefined): Promise<Told> {
  const story = createStory(world);
  const prepared = await tale.prepare(story);
  world.calls.length = 0;
  world.watch = watch;
  const pull = await tale.act(story, prepared);
  const calls = [...world.calls];
  world.watch = undefined;
  await recover(world);
  const wrong = (error: unknown) => (error instanceof Error ? error.message : String(error));
  return { calls, fault: await tale.expected(story, pull).then(() => undefined, wrong) };
}

/** The n-th call goes wrong, all others go through. */
function crashAt(n: number, kind: (typeof kinds)[number]): Watch {
  let count = 0;
  return async (_call, perform) => {
    count += 1;
    if (count !== n) return perform();
    if (kind.endsWith('after')) await perform();
    throw kind.startsWith('dies') ? new Death() : new Error('the connection was reset');
  };
}

/** `every`: so many-th call only, where a stage is slow; the four kinds begin at different ones. */
export function describeTale(stage: Stage, tale: Tale, every = 1): void {
  describe(tale.name, () => {
    it('comes to its end', async () => {
      expect((await play(stage, tale)).fault).toBeUndefined();
    });

    const which = every === 1 ? 'any call' : `every ${every}th call`;
    it.each(kinds)(`comes to the same end when ${which} %s its effect`, async (kind) => {
      const { calls } = await play(stage, tale);
      const wrong: string[] = [];
      for (let n = 1 + (kinds.indexOf(kind) % every); n <= calls.length; n += every) {
        const { fault } = await play(stage, tale, crashAt(n, kind));
        if (fault !== undefined) wrong.push(`call ${n}, ${calls[n - 1]}: ${fault}`);
      }
      expect(wrong).toEqual([]);
    });
  });
}
