import { describe, expect, it } from 'vitest';
import type { Pause } from '#core/pause';
import type { Handle, Moved } from '../../lambdas/providers/handle.ts';
import type { SweepTask } from '../../lambdas/sweep/sweep.ts';
import { hours, minutes } from '../fakes/clock.ts';
import { type ControlPlane, Death, type Watch } from '../fakes/create-control-plane.ts';
import { recover } from '../fakes/recover.ts';
import { type Life, nothing, type Place } from './place.ts';

/**
 * A crash around every call that leaves the process, in every story, then time and the schedule; the end must be
 * the same as without the crash. `dies`: the process is gone, nothing more happens, the lease stays. `fails`: the
 * call alone fails, before or after it took effect, and the process goes on.
 */
const kinds = ['dies before', 'dies after', 'fails before', 'fails after'] as const;

export interface Tale {
  name: string;
  config?: Record<string, string>;
  prepare(place: Place): Promise<Life | undefined>;
  act(place: Place, pull: Life | undefined): Promise<Life>;
  expected(pull: Life, place: Place): Promise<void>;
}

async function ready(place: Place): Promise<Life> {
  const pull = place.open();
  await place.platform.advance(minutes(20));
  return pull;
}

async function closeWhileLaunched(place: Place): Promise<Life> {
  const pull = place.open();
  await place.platform.deliverAll();
  pull.close();
  await place.platform.advance(minutes(5));
  return pull;
}

async function expectAnnounced(pull: Life): Promise<void> {
  await pull.expectServed();
  expect(pull.texts()).toEqual([expect.stringContaining('Preview is ready')]);
}

async function expectGone(pull: Life, place: Place): Promise<void> {
  expect(await place.exists()).toEqual(nothing);
  expect((await pull.state()).phase).toBe('destroyed');
  expect(pull.texts().length).toBeLessThanOrEqual(1);
  for (const text of pull.texts()) expect(text).toContain('Address, machine and disk are gone');
}

/** What was reported to people is reported to be gone. */
async function expectGoneAndReported(pull: Life, place: Place): Promise<void> {
  await expectGone(pull, place);
  expect(pull.texts()).toHaveLength(1);
}

export const closedWhileLaunched: Tale = {
  name: 'closed while it is being launched',
  prepare: async () => undefined,
  act: closeWhileLaunched,
  expected: expectGone,
};

/** None of these knows in which cloud it runs. These take few calls. */
export const shortTales: Tale[] = [
  {
    name: 'opened, until it is ready',
    prepare: async () => undefined,
    act: ready,
    expected: expectAnnounced,
  },
  {
    name: 'pushed, until it is ready',
    prepare: ready,
    async act(place, pull) {
      if (!pull) throw new Error('nothing was opened');
      pull.push();
      await place.platform.advance(minutes(5));
      return pull;
    },
    expected: expectAnnounced,
  },
  {
    name: 'closed, until nothing is left',
    prepare: ready,
    async act(place, pull) {
      if (!pull) throw new Error('nothing was opened');
      pull.close();
      await place.platform.advance(minutes(5));
      return pull;
    },
    expected: expectGoneAndReported,
  },
  closedWhileLaunched,
];

export const longTales: Tale[] = [
  {
    name: 'closed, kept for a day, reopened within it',
    config: { TERMINATE_AFTER_SECONDS: '86400' },
    async prepare(place) {
      const pull = await ready(place);
      pull.close();
      await place.platform.advance(minutes(5));
      return pull;
    },
    async act(place, pull) {
      if (!pull) throw new Error('nothing was opened');
      pull.reopen();
      await place.platform.advance(minutes(5));
      return pull;
    },
    expected: expectAnnounced,
  },
  {
    name: 'closed, kept for a day, and the day is over',
    config: { TERMINATE_AFTER_SECONDS: '86400' },
    prepare: ready,
    async act(place, pull) {
      if (!pull) throw new Error('nothing was opened');
      pull.close();
      await place.platform.advance(hours(25));
      await trySweep(place.platform, 'due');
      return pull;
    },
    expected: expectGoneAndReported,
  },
  {
    name: 'everything is paused and resumed',
    prepare: ready,
    async act(place, pull) {
      if (!pull) throw new Error('nothing was opened');
      await sayTwice(place.platform, 'everything');
      await place.platform.advance(minutes(5));
      await sayTwice(place.platform, 'no');
      await place.platform.advance(minutes(5));
      return pull;
    },
    expected: expectAnnounced,
  },
  {
    name: 'Eph is taken down',
    config: { TERMINATE_AFTER_SECONDS: '86400' },
    prepare: ready,
    async act(place, pull) {
      if (!pull) throw new Error('nothing was opened');
      await sayTwice(place.platform, 'closed');
      await place.platform.advance(minutes(5));
      return pull;
    },
    expected: expectGoneAndReported,
  },
  {
    name: 'a sweep that finds a unit, and a way to it, of nobody',
    async prepare(place) {
      const pull = await ready(place);
      await makeUnitOfNobody(place.platform);
      // An orphan that runs is stopped first, and removed when its disk was kept for a day.
      for (let hour = 0; hour < 24; hour += 1) {
        await place.platform.advance(hours(1));
        await trySweep(place.platform, 'compare');
      }
      await openWayForNobody(place.platform);
      await place.platform.advance(minutes(30));
      return pull;
    },
    async act(place, pull) {
      if (!pull) throw new Error('nothing was opened');
      for (let hour = 0; hour < 5; hour += 1) {
        await trySweep(place.platform, 'compare');
        await place.platform.advance(hours(1));
      }
      return pull;
    },
    expected: expectAnnounced,
  },
];

export const tales = [...shortTales, ...longTales];

/** Makes a unit as a run does whose row is lost afterwards. */
async function makeUnitOfNobody({ ports }: ControlPlane): Promise<void> {
  const options = { attempt: 1, refusals: 0, config: undefined };
  await moveUntilDone((handle) => ports.compute.move('77#7', handle, 'running', options));
}

async function openWayForNobody({ ports }: ControlPlane): Promise<void> {
  const opening = { count: 0, names: [] };
  await moveUntilDone((handle) => ports.ingress.move('77#7', handle, 'open', opening));
}

async function moveUntilDone(move: (handle: Handle | undefined) => Promise<Moved>): Promise<void> {
  for (let moved = await move(undefined); !moved.done; ) moved = await move(moved.handle);
}

/** Repeats a command that failed. */
async function sayTwice(platform: ControlPlane, pause: Pause): Promise<void> {
  platform.operator.paused = pause;
  await trySweep(platform, 'wake-all');
  await trySweep(platform, 'wake-all');
}

async function trySweep(platform: ControlPlane, task: SweepTask): Promise<void> {
  await platform.sweep(task).catch(() => undefined);
  await platform.deliverAll();
}

/** The place in which a tale runs, made anew each time. */
export interface Stage {
  /** Its end, and whether it was as expected. */
  tell<T>(config: Record<string, string>, tell: (place: Place) => Promise<T>): Promise<T>;
}

interface Told {
  calls: string[];
  /** The problems in the end. */
  fault: string | undefined;
}

function play({ tell }: Stage, tale: Tale, watch?: Watch): Promise<Told> {
  return tell(tale.config ?? {}, (place) => playIn(place, tale, watch));
}

async function playIn(place: Place, tale: Tale, watch: Watch | undefined): Promise<Told> {
  const { platform } = place;
  const prepared = await tale.prepare(place);
  platform.calls.length = 0;
  platform.watch = watch;
  const pull = await tale.act(place, prepared);
  const calls = [...platform.calls];
  platform.watch = undefined;
  await recover(platform);
  const wrong = (error: unknown) => (error instanceof Error ? error.message : String(error));
  return { calls, fault: await tale.expected(pull, place).then(() => undefined, wrong) };
}

/** The n-th call goes wrong, all others succeed. */
function crashAt(n: number, kind: (typeof kinds)[number]): Watch {
  let count = 0;
  return async (_call, perform) => {
    count += 1;
    if (count !== n) return perform();
    if (kind.endsWith('after')) await perform();
    throw kind.startsWith('dies') ? new Death() : new Error('the connection was reset');
  };
}

/** `every`: only each n-th call is tried, where a place is slow; the four kinds begin at different calls. */
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
