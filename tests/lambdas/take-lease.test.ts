import { assert, asyncProperty, type Scheduler, scheduler } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newState } from '#core/environment';
import { type Ask, type Asked, orderOf } from '#core/requests';
import { takeLease } from '../../lambdas/reconcile/take-lease.ts';
import { holder, leaving } from '../fakes/holder.ts';
import { memoryEnvironments } from '../fakes/memory-environments.ts';

const key = '1#7';

/**
 * Messages about one row, each in a process of its own, their calls in an order that the scheduler chooses.
 * Each that gets the lease reads first its own message only, as a report does, and all messages
 * whenever it could not release the row.
 */
function createMessages(schedule: Scheduler) {
  const rows = memoryEnvironments();
  const said = new Set<string>();
  const seen = new Set<string>();

  async function message(name: string): Promise<void> {
    let read = new Set<string>();
    const environments = {
      ...rows,
      claim: schedule.scheduleFunction<Parameters<typeof rows.claim>, Claimed>(async (...args) => {
        const row = await rows.claim(...args);
        if (row) said.add(name);
        return row;
      }),
      wake: schedule.scheduleFunction<Parameters<typeof rows.wake>, Claimed>(async (...args) => {
        said.add(name);
        return rows.wake(...args);
      }),
      release: schedule.scheduleFunction<Parameters<typeof rows.release>, boolean>(rows.release),
      read: schedule.scheduleFunction<[string], Claimed>(async (which) => {
        read = new Set(said);
        return rows.read(which);
      }),
    };
    const source = { access: '1', owner: 'acme', name: 'shop', delivery: name };
    const leased = await takeLease({ key, source }, { id: name, until: 75 }, { environments, now: () => 0 });
    if (leased.kind !== 'leased') return;
    seen.add(name);
    let { wakes } = leased.row;
    while (!(await environments.release(key, holder(name), leaving(wakes, newState(0))))) {
      wakes = (await environments.read(key))?.wakes ?? 0;
      for (const word of read) seen.add(word);
    }
  }
  return { message, seen };
}

type Claimed = Awaited<ReturnType<ReturnType<typeof memoryEnvironments>['wake']>>;

describe('the lease', () => {
  it('has every message read after it came, in whatever order messages come and go', async () => {
    await assert(
      asyncProperty(scheduler(), async (schedule) => {
        const { message, seen } = createMessages(schedule);
        const names = ['opened', 'progress', 'result', 'closed'];
        const all = Promise.all(names.map(message));
        await schedule.waitFor(all);
        expect([...seen].sort()).toEqual([...names].sort());
      }),
      { numRuns: 500 },
    );
  });
});

describe('a request', () => {
  const source = { access: '1', owner: 'acme', name: 'shop', delivery: 'd' };
  const ask = (at: number): Ask => ({ order: orderOf(at, 'comment'), by: 'ada', arg: String(at) });
  const asked = (at: number): Asked => ({ verb: 'stop', ask: ask(at) });
  const lease = (id: string, until = 75) => ({ id, until });

  it('is written into its register with the lease, in one write', async () => {
    const environments = memoryEnvironments();
    const leased = await takeLease({ key, source, asked: asked(5) }, lease('a'), {
      environments,
      now: () => 0,
    });
    expect(leased).toMatchObject({ kind: 'leased', row: { wakes: 1, asks: { stop: ask(5) } } });
  });

  it('is written also where another run holds the lease, which then reads again', async () => {
    const environments = memoryEnvironments();
    await environments.claim(key, source, lease('holder'), 0);
    const word = { key, asked: asked(5) };
    expect(await takeLease(word, lease('a'), { environments, now: () => 1 })).toEqual({
      kind: 'held',
      until: 75,
    });
    expect(await environments.read(key)).toMatchObject({ wakes: 2, asks: { stop: ask(5) } });
    // The holder's writes do not change it.
    await environments.save(key, holder('holder'), newState(0));
    await environments.release(key, holder('holder'), leaving(2, newState(0)));
    expect((await environments.read(key))?.asks).toEqual({ stop: ask(5) });
  });

  it('that comes again, or that is older, changes nothing and still has the row reconciled', async () => {
    const environments = memoryEnvironments();
    await takeLease({ key, source, asked: asked(5) }, lease('a'), { environments, now: () => 0 });
    for (const [index, at] of [5, 4].entries()) {
      const word = { key, asked: asked(at) };
      const leased = await takeLease(word, lease(`b${index}`, 900), {
        environments,
        now: () => 100 * (index + 8),
      });
      expect(leased).toMatchObject({ kind: 'leased', row: { asks: { stop: ask(5) } } });
    }
  });

  it('that comes again still keeps what its message knew', async () => {
    const environments = memoryEnvironments();
    await takeLease({ key, source, asked: asked(5) }, lease('a'), { environments, now: () => 0 });
    const again = { key, asked: asked(5), hints: ['access'] as const };
    const leased = await takeLease(again, lease('b', 900), { environments, now: () => 100 });
    expect(leased).toMatchObject({ kind: 'leased', row: { hints: ['access'] } });
  });

  it('that came while a run released the lease is not written once more', async () => {
    const rows = memoryEnvironments();
    await rows.claim(key, source, lease('holder'), 0);
    const said: unknown[] = [];
    const environments: typeof rows = {
      ...rows,
      claim(...args) {
        said.push(args[4]);
        return rows.claim(...args);
      },
      async wake(...args) {
        await rows.release(key, holder('holder'), leaving(1, newState(0)));
        return rows.wake(...args);
      },
    };
    const word = { asked: asked(5), hints: ['access'] as const };
    const leased = await takeLease({ key, ...word }, lease('a'), { environments, now: () => 1 });
    expect(leased).toMatchObject({ kind: 'leased', row: { asks: { stop: ask(5) }, hints: ['access'] } });
    expect(said).toEqual([word, {}]);
  });

  it('of another verb has a register of its own', async () => {
    const environments = memoryEnvironments();
    await environments.wake(key, source, 0, { asked: asked(5) });
    const row = await environments.wake(key, undefined, 0, { asked: { verb: 'wake', ask: ask(3) } });
    expect(row?.asks).toEqual({ stop: ask(5), wake: ask(3) });
  });

  it('makes no row for a pull request that no message was about', async () => {
    const environments = memoryEnvironments();
    const leased = await takeLease({ key, asked: asked(5) }, lease('a'), { environments, now: () => 0 });
    expect(leased).toEqual({ kind: 'nobody' });
  });

  it('that does not fit into its register is refused before it is written', async () => {
    const environments = memoryEnvironments();
    const long = { asked: { verb: 'deploy' as const, ask: { ...ask(5), by: 'x'.repeat(300) } } };
    await expect(async () => environments.wake(key, source, 0, long)).rejects.toMatchObject({
      code: 'request_too_long',
    });
    expect(await environments.read(key)).toBeUndefined();
  });

  it('is the newest one in the end, in whatever order messages come', async () => {
    await assert(
      asyncProperty(scheduler(), async (schedule) => {
        const rows = memoryEnvironments();
        const environments = {
          ...rows,
          claim: schedule.scheduleFunction<Parameters<typeof rows.claim>, Claimed>(rows.claim),
          wake: schedule.scheduleFunction<Parameters<typeof rows.wake>, Claimed>(rows.wake),
        };
        const say = (at: number) =>
          takeLease({ key, source, asked: asked(at) }, lease(`m${at}`), { environments, now: () => 0 });
        await schedule.waitFor(Promise.all([3, 1, 4, 2].map(say)));
        const row = await rows.read(key);
        expect(row?.asks).toEqual({ stop: ask(4) });
        expect(row?.wakes).toBeGreaterThanOrEqual(4);
      }),
      { numRuns: 300 },
    );
  });
});
