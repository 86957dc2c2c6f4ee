import { assert, asyncProperty, type Scheduler, scheduler } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newState } from '#core/environment';
import { takeLease } from '../../lambdas/reconcile/take-lease.ts';
import { memoryEnvironments } from '../fakes/memory-environments.ts';

const key = '1#7';

/**
 * Messages about one row, each in a process of its own, their calls in an order that the scheduler chooses.
 * Each that gets the lease looks first at its own word only, as a report does, and at all that was said
 * whenever it could not let go.
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
    while (!(await environments.release(key, name, wakes, newState(0), undefined))) {
      wakes = (await environments.read(key))?.wakes ?? 0;
      for (const word of read) seen.add(word);
    }
  }
  return { message, seen };
}

type Claimed = Awaited<ReturnType<ReturnType<typeof memoryEnvironments>['wake']>>;

describe('the lease', () => {
  it('has every word looked at after it was said, in whatever order messages come and go', async () => {
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
