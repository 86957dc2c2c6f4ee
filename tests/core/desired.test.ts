import { describe, expect, it } from 'vitest';
import { type Desired, desired, levels, type Policy, type Wanted } from '#core/desired';
import { AWAY_DISK_KEPT, PAUSED_RECHECK } from '#core/limits';
import { type Ask, orderOf } from '#core/requests';
import { OTHER_SHA, readyState, SHA, samplePull, sampleSentSpec, without } from '../fakes/sample-state.ts';

const NOW = 1_000_000;
const GRACE = 86_400;
const FOREVER = Number.POSITIVE_INFINITY;
const policy: Policy = { terminateAfter: GRACE, listed: true };
const ask = (at: number): Ask => ({ order: orderOf(at, 'x'), by: 'ada' });
const told = (settings: object) => ({ ...readyState().settings, sha: SHA, found: false, ...settings });

interface Line {
  rule: number;
  so: string;
  state?: object;
  pull?: object;
  asks?: Wanted['asks'];
  policy?: Partial<Policy>;
  is: Pick<Desired, 'level' | 'reason' | 'keep'>;
}

/** The table of the design, from top to bottom. */
const lines: Line[] = [
  {
    rule: 1,
    so: 'the operator takes Eph down',
    state: { paused: 'closed' },
    is: { level: 'absent', reason: 'operator-closed', keep: 0 },
  },
  {
    rule: 2,
    so: 'closed',
    pull: { state: 'closed' },
    is: { level: 'absent', reason: 'closed', keep: GRACE },
  },
  {
    rule: 2,
    so: 'merged',
    pull: { state: 'closed', merged: true },
    is: { level: 'absent', reason: 'merged', keep: GRACE },
  },
  {
    rule: 2,
    so: 'the repository is archived',
    pull: { archived: true },
    is: { level: 'absent', reason: 'archived', keep: GRACE },
  },
  {
    rule: 2,
    so: 'access is lost, just now',
    state: { away: { since: NOW, why: 'no-access' } },
    is: { level: 'absent', reason: 'no-access', keep: AWAY_DISK_KEPT },
  },
  {
    rule: 3,
    so: 'somebody asked to destroy it',
    asks: { destroy: ask(NOW) },
    is: { level: 'absent', reason: 'asked-destroy', keep: 0 },
  },
  { rule: 4, so: 'a fork', pull: { fork: true }, is: { level: 'absent', reason: 'fork', keep: GRACE } },
  { rule: 4, so: 'a bot', pull: { bot: true }, is: { level: 'absent', reason: 'bot', keep: GRACE } },
  { rule: 4, so: 'a draft', pull: { draft: true }, is: { level: 'absent', reason: 'draft', keep: GRACE } },
  {
    rule: 4,
    so: 'unlisted',
    policy: { listed: false },
    is: { level: 'absent', reason: 'unlisted', keep: GRACE },
  },
  {
    rule: 4,
    so: 'taken out of the list',
    policy: { excluded: true },
    is: { level: 'absent', reason: 'excluded', keep: GRACE },
  },
  {
    rule: 4,
    so: 'nothing to run',
    state: { settings: told({ runnable: false }) },
    is: { level: 'absent', reason: 'nothing-to-run', keep: GRACE },
  },
  {
    rule: 5,
    so: 'unused for its time to live',
    state: { activeAt: 0 },
    policy: { ttl: NOW },
    is: { level: 'cold', reason: 'expired', keep: 0 },
  },
  {
    rule: 6,
    so: 'the operator puts everything to sleep',
    state: { paused: 'everything' },
    is: { level: 'asleep', reason: 'operator-everything', keep: FOREVER },
  },
  {
    rule: 7,
    so: 'somebody stopped it',
    asks: { stop: ask(NOW) },
    is: { level: 'asleep', reason: 'asked-stop', keep: FOREVER },
  },
  {
    rule: 8,
    so: 'its place is given to another',
    asks: { evict: ask(NOW) },
    is: { level: 'asleep', reason: 'evicted', keep: FOREVER },
  },
  {
    rule: 9,
    so: 'unused for long',
    state: { activeAt: 0 },
    policy: { idle: NOW },
    is: { level: 'asleep', reason: 'idle', keep: FOREVER },
  },
];

function look(...of: readonly Line[]): Desired {
  const state = readyState(Object.assign({}, ...of.map((line) => line.state ?? {})));
  const pull = Object.assign({ ...samplePull }, ...of.map((line) => line.pull ?? {}));
  const asks = Object.assign({}, ...of.map((line) => line.asks ?? {}));
  const under = Object.assign({ ...policy }, ...of.map((line) => line.policy ?? {}));
  return desired({ state: { ...state, pull }, asks }, under, NOW);
}

const pairs = lines.flatMap((above, at) =>
  lines.slice(at + 1).flatMap((below) => {
    // One pull request cannot be both, and the operator's setting has one value.
    const sayTheSame = Object.keys({ ...above.state, ...above.pull }).some(
      (key) => key in { ...below.state, ...below.pull } && key !== 'activeAt',
    );
    return above.rule === below.rule || sayTheSame ? [] : [{ above, below }];
  }),
);

describe('what an environment should be', () => {
  it('is serving its newest commit while no rule speaks against it', () => {
    expect(look()).toEqual({ level: 'serving', commit: SHA, reason: 'wanted', keep: GRACE });
  });

  it.each(lines)('rule $rule: $so', (line) => {
    expect(look(line)).toMatchObject(line.is);
  });

  it.each(pairs)(
    '$above.so and $below.so: the lower level wins, of equal ones the first',
    ({ above, below }) => {
      const order = (line: Line) => levels.indexOf(line.is.level);
      const wins = order(below) < order(above) ? below : above;
      const alike = [above, below].filter((line) => line.is.level === wins.is.level);
      expect(look(above, below)).toMatchObject({
        level: wins.is.level,
        reason: wins.is.reason,
        keep: Math.min(...alike.map((line) => line.is.keep)),
      });
    },
  );

  it('covers every pair of rules that can be true together', () => {
    const seen = new Set(pairs.map(({ above, below }) => `${above.rule} ${below.rule}`));
    const missing: string[] = [];
    for (let above = 1; above <= 9; above += 1) {
      for (let below = above + 1; below <= 9; below += 1) {
        if (!seen.has(`${above} ${below}`)) missing.push(`${above} ${below}`);
      }
    }
    // "Closed" and "everything asleep" are two values of the same setting.
    expect(missing).toEqual(['1 6']);
  });
});

describe('a rule without its facts abstains', () => {
  const serves = { level: 'serving', reason: 'wanted' };
  it.each([
    ['no forge has confirmed the pull request', without(readyState(), 'pull'), policy],
    [
      'the settings of this commit are not read',
      without(readyState(), 'settings'),
      { ...policy, listed: false },
    ],
    ['nobody knows when it was used', readyState(), { ...policy, idle: 1, ttl: 1 }],
    ['nothing says how long it may be idle', readyState({ activeAt: 0 }), policy],
  ])('where %s', (_what, state, under) => {
    expect(desired({ state }, under, NOW)).toMatchObject(serves);
  });
});

describe('what ends a rule', () => {
  const idle = { ...policy, idle: 100, ttl: 1_000 };
  const at = (now: number, wanted: Wanted, under: Policy = idle) => desired(wanted, under, now).reason;
  const used = readyState({ activeAt: 0 });

  it('use, a wake or a deploy ends being idle and being expired', () => {
    expect(at(100, { state: used })).toBe('idle');
    expect(at(1_000, { state: used })).toBe('expired');
    for (const verb of ['wake', 'deploy'] as const)
      expect(at(1_000, { state: used, asks: { [verb]: ask(1_000) } })).toBe('wanted');
    expect(at(1_000, { state: readyState({ activeAt: 1_000 }) })).toBe('wanted');
  });

  it('a request to keep an environment keeps it, but not awake', () => {
    const kept = readyState({ activeAt: 0, keepUntil: 5_000 });
    expect(at(4_999, { state: kept })).toBe('idle');
    expect(at(5_000, { state: kept })).toBe('expired');
  });

  it('a build under way is not idle', () => {
    expect(at(100, { state: readyState({ activeAt: 0, order: sampleSentSpec }) })).toBe('wanted');
  });

  it('a later wake or deploy ends a stop, a push does not', () => {
    const stop = ask(10);
    expect(at(20, { state: readyState({ activeAt: 15 }), asks: { stop } })).toBe('asked-stop');
    expect(at(20, { state: used, asks: { stop, wake: ask(11) } })).toBe('wanted');
    expect(at(20, { state: used, asks: { stop, deploy: ask(11) } })).toBe('wanted');
    expect(at(20, { state: used, asks: { stop, wake: ask(9) } })).toBe('asked-stop');
  });

  it('a later deploy ends a destroy, a wake does not', () => {
    const destroy = ask(10);
    expect(at(20, { state: used, asks: { destroy, wake: ask(11) } })).toBe('asked-destroy');
    expect(at(20, { state: used, asks: { destroy, deploy: ask(11) } })).toBe('wanted');
  });

  it('use after an eviction ends it', () => {
    const evict = ask(10);
    expect(at(20, { state: readyState({ activeAt: 9 }), asks: { evict } })).toBe('evicted');
    expect(at(20, { state: readyState({ activeAt: 10 }), asks: { evict } })).toBe('wanted');
  });

  it('an approved commit of a fork is served, also after a push', () => {
    const fork = readyState({ pull: { ...samplePull, fork: true, sha: OTHER_SHA }, approved: SHA });
    expect(desired({ state: fork }, policy, NOW)).toMatchObject({ level: 'serving', commit: SHA });
  });

  it('a check is due when a rule next changes by itself, and not while there is nothing below', () => {
    expect(desired({ state: used }, idle, 50).recheckAt).toBe(100);
    expect(desired({ state: used }, idle, 100).recheckAt).toBe(1_000);
    const paused = readyState({ paused: 'everything' });
    expect(desired({ state: paused }, policy, NOW).recheckAt).toBe(NOW + PAUSED_RECHECK);
    const closed = readyState({ paused: 'everything', pull: { ...samplePull, state: 'closed' } });
    expect(desired({ state: closed }, policy, NOW)).not.toHaveProperty('lookAt');
  });

  it('a disk whose access was lost long after the closing is kept for a day from the loss', () => {
    const away = { since: NOW, why: 'no-access' as const };
    const state = readyState({ away, closedAt: NOW - 5 * AWAY_DISK_KEPT });
    expect(desired({ state }, policy, NOW).keep).toBe(6 * AWAY_DISK_KEPT);
  });
});
