import { describe, expect, it } from 'vitest';
import { assess } from '#core/assess';
import type { Policy } from '#core/desired';
import type { EnvironmentState } from '#core/environment';
import type { Facts } from '#core/lifecycle';
import { GONE_CONFIRMATION, MAX_PUBLIC_SERVICES, ORPHAN_GRACE } from '#core/limits';
import { serviceHostname } from '#core/names';
import { type Pause, parsePause } from '#core/pause';
import type { Progress, PublicService, Result } from '#core/report';
import {
  OTHER_SHA,
  readyState,
  SHA,
  sampleHost,
  sampleIngress,
  samplePull,
  sampleSentSpec,
  without,
} from '../fakes/sample-state.ts';

const nothing: Facts = { pull: { kind: 'unasked' }, instance: { kind: 'unasked' } };
const policy: Policy = { terminateAfter: 0, listed: true };
const main = readyState().hostname ?? '';
const service = (name: string, changes: Partial<PublicService> = {}): PublicService => ({
  name,
  port: 80,
  hostname: `${name}--${main}`,
  path: `/${name}`,
  primary: false,
  ...changes,
});
describe('the operator’s setting', () => {
  const say = (state: EnvironmentState, pause: Pause | undefined) =>
    assess({ state }, { ...nothing, pause }, policy, 7).state;
  const off = { host: { ...sampleHost, power: 'off' as const } };

  it('is kept in the row until it is read again', () => {
    const paused = say(readyState(), 'launches');
    expect(paused.paused).toBe('launches');
    expect(say(paused, undefined).paused).toBe('launches');
    expect(say(paused, 'no')).toEqual(readyState());
  });

  it.each<[string, EnvironmentState, Pause, string]>([
    ['a machine that runs changes nothing', readyState(), 'launches', 'ready'],
    ['no machine: queued', without(readyState(), 'host'), 'launches', 'queued'],
    ['a machine that is off: asleep', readyState(off), 'launches', 'stopped'],
    ['a machine that is off, and everything sleeps: asleep', readyState(off), 'everything', 'stopped'],
    [
      'a machine that is off and has no address yet: queued',
      without(readyState(off), 'ingress'),
      'everything',
      'queued',
    ],
    ['no machine, and everything sleeps: queued', without(readyState(), 'host'), 'everything', 'queued'],
    [
      'a commit that has failed stays failed',
      readyState({
        ...off,
        phase: 'failed',
        failure: { code: 'x', sentence: 'x', sha: SHA, at: 0, log: [] },
      }),
      'launches',
      'failed',
    ],
    [
      'a draft is none of its business',
      readyState({ ...off, pull: { ...samplePull, draft: true } }),
      'launches',
      'destroying',
    ],
  ])('with %s', (_what, state, pause, phase) => {
    expect(say(state, pause).phase).toBe(phase);
  });

  it('closes everything, and opens it again, without an answer from GitHub', () => {
    const closed = say(readyState(), 'closed');
    expect(closed.closedAt).toBe(7);
    expect(closed.phase).toBe('destroying');
    expect(say(closed, 'no')).toEqual(readyState({ phaseSince: 7 }));
  });

  it.each([
    [undefined, 'no'],
    ['everything', 'everything'],
    ['launches\n', 'launches'],
    ['hibernate', 'launches'],
  ])('%j means %s', (text, pause) => {
    expect(parsePause(text)).toBe(pause);
  });
});

const progress: Progress = {
  generation: 1,
  revision: 1,
  stage: 'planning',
  services: [],
  warnings: [],
};
const result: Result = {
  generation: 1,
  at: 1,
  outcome: 'ready',
  services: [],
  warnings: [],
  timings: { building: 5 },
};
const building = without(
  readyState({ phase: 'deploying', order: sampleSentSpec, unfinishedSince: 0 }),
  'serving',
);
const take = (state = readyState(), facts: Partial<Facts> = {}, at = 10, under = policy) =>
  assess({ state }, { ...nothing, ...facts }, under, at).state;
const known = (changes: Partial<typeof samplePull>): Partial<Facts> => ({
  pull: { kind: 'known', pull: { ...samplePull, ...changes }, access: '1' },
});

describe('absorb', () => {
  it('changes nothing where there are no facts', () => {
    expect(take()).toEqual(readyState());
  });

  it('takes GitHub’s answer, and keeps since when the pull request is not wanted', () => {
    expect(take(readyState(), known({ state: 'closed' }))).toMatchObject({ closedAt: 10 });
    expect(take(readyState({ closedAt: 3 }), known({ state: 'closed' }))).toMatchObject({ closedAt: 3 });
    expect(take(readyState({ closedAt: 3, forgetAt: 9 }), known({}))).not.toHaveProperty('closedAt');
    expect(take(readyState({ closedAt: 3, forgetAt: 9 }), known({}))).not.toHaveProperty('forgetAt');
  });

  it.each([
    ['fork', known({ fork: true, bot: true, draft: true }), policy],
    ['bot', known({ bot: true, draft: true }), policy],
    ['draft', known({ draft: true }), policy],
    ['unlisted', known({}), { ...policy, listed: false }],
    ['excluded', known({ fork: true }), { ...policy, listed: false, excluded: true }],
  ])('declines a %s', (decline, facts, under) => {
    expect(take(readyState(), facts, 10, under)).toMatchObject({
      wanted: { level: 'absent', reason: decline },
      closedAt: 10,
    });
  });

  it('does not decide whether a repository is listed before the commit’s eph.yaml is read', () => {
    const under = { ...policy, listed: false };
    expect(take(readyState(), known({ sha: OTHER_SHA }), 10, under)).toMatchObject({
      wanted: { level: 'serving' },
    });
    const found = readyState({
      settings: { sha: SHA, config: readyState().settings?.config ?? fail(), found: true },
    });
    expect(take(found, known({}), 10, under)).toMatchObject({ wanted: { level: 'serving' } });
  });

  it('counts a pull request as away after it was missed twice, and not when it is back', () => {
    const noPull = { pull: { kind: 'no-pull' } } as const;
    expect(take(readyState(), noPull)).toMatchObject({ goneSince: 10, pull: { state: 'open' } });
    expect(take(readyState(), noPull)).not.toHaveProperty('away');
    expect(take(readyState({ goneSince: 0 }), noPull, GONE_CONFIRMATION - 1)).not.toHaveProperty('away');
    expect(take(readyState({ goneSince: 0 }), noPull, GONE_CONFIRMATION)).toMatchObject({
      closedAt: GONE_CONFIRMATION,
      away: { since: GONE_CONFIRMATION, why: 'no-pull' },
      pull: { state: 'open' },
    });
    expect(take(readyState({ goneSince: 0 }), known({}))).not.toHaveProperty('goneSince');
  });

  it('changes nothing when GitHub refuses to answer', () => {
    expect(take(readyState(), { pull: { kind: 'unknown' } })).toEqual(readyState());
    const away = readyState({ phase: 'destroying', away: { since: 1, why: 'no-access' }, closedAt: 1 });
    const told = { level: 'absent', reason: 'no-access' } as const;
    expect(take(away, { pull: { kind: 'unknown' } })).toEqual({ ...away, wanted: told });
  });

  it('takes a proof of lost access at once, and keeps when it was proved first', () => {
    const noAccess = { pull: { kind: 'no-access' } } as const;
    expect(take(readyState(), noAccess)).toMatchObject({
      away: { since: 10, why: 'no-access' },
      closedAt: 10,
    });
    const away = readyState({ phase: 'destroying', away: { since: 1, why: 'no-access' }, closedAt: 1 });
    expect(take(away, noAccess)).toMatchObject({ away: { since: 1 }, closedAt: 1 });
  });

  it('wants the pull request again when access is back, and counts its closing from then', () => {
    const away = readyState({ away: { since: 1, why: 'no-access' }, closedAt: 1 });
    const back = take(away, known({}));
    expect(back).not.toHaveProperty('away');
    expect(back).not.toHaveProperty('closedAt');
    expect(take(away, known({ state: 'closed' }))).toMatchObject({ closedAt: 10 });
  });

  it('keeps by which access the forge confirmed the pull request', () => {
    expect(take(readyState(), known({}))).toMatchObject({ access: '1' });
  });

  it('takes it that a machine that is off or gone serves nothing, whatever it reported before', () => {
    const found = (power: 'off' | 'gone') => ({ instance: { kind: 'found', power } as const, result });
    expect(take(building, { result })).toHaveProperty('serving');
    expect(take(building, found('off'))).not.toHaveProperty('serving');
    expect(take(building, found('gone'))).not.toHaveProperty('serving');
    expect(take(building, found('gone'))).not.toHaveProperty('order');
  });

  it('keeps nothing of what a host reported when the pull request is closed', () => {
    const full = readyState({
      services: [service('api')],
      warnings: ['w'],
      timings: { building: 1 },
      failure: { code: 'x', sentence: 'x', sha: SHA, at: 0, log: ['l'] },
    });
    const closing = take(full, known({ state: 'closed' }));
    expect(closing).toMatchObject({ warnings: [], services: [] });
    expect(closing).not.toHaveProperty('failure');
    expect(closing).not.toHaveProperty('timings');
  });

  it('drops a failure with its commit', () => {
    const failure = { code: 'x', sentence: 'x', sha: SHA, at: 0, log: [] };
    expect(take(readyState({ failure }), known({}))).toHaveProperty('failure');
    expect(take(readyState({ failure }), known({ sha: OTHER_SHA }))).not.toHaveProperty('failure');
  });

  it('notes a machine that is off or gone, and does not believe "unknown" of a young one', () => {
    const absent = { instance: { kind: 'absent' } } as const;
    const found = (power: 'on' | 'off' | 'gone') => ({ instance: { kind: 'found', power } }) as const;
    const off = take(readyState(), found('off'));
    expect(off.host?.power).toBe('off');
    expect(off.order).toEqual(readyState().order);
    expect(take(readyState(), absent, ORPHAN_GRACE - 1)).toEqual(readyState());
    for (const gone of [take(readyState(), found('gone')), take(readyState(), absent, ORPHAN_GRACE)]) {
      expect(gone.host).toMatchObject({ handle: sampleHost.handle, power: 'gone' });
      expect(gone).not.toHaveProperty('order');
      expect(gone).not.toHaveProperty('serving');
    }
  });

  it('gives another address, and another deployment spec, to machines that are attached to nothing any more', () => {
    const handle = { ...sampleIngress, data: 'what is left' };
    const next = take(readyState(), { address: { handle, attached: false } });
    expect(next).toMatchObject({ openings: 1, ingress: handle });
    expect(next).not.toHaveProperty('order');
    const bare = take(readyState(), { address: { handle: undefined, attached: false } });
    expect(bare).not.toHaveProperty('ingress');
  });

  it('notes names that somebody deleted, and leaves the machine as it is', () => {
    const handle = { ...sampleIngress, data: 'without a name' };
    const next = take(readyState(), { address: { handle, attached: true } });
    expect(next).toEqual({ ...readyState(), ingress: handle });
  });

  it('takes the services and the needs that a machine reports', () => {
    const silent = { ...building, silentHosts: 1, host: { ...sampleHost, heard: false } };
    const services = [service('web', { primary: true, hostname: main, path: '/' }), service('api')];
    const next = take(silent, { progress: { ...progress, services, needs: 'git', warnings: ['w'] } });
    expect(next).toMatchObject({ silentHosts: 0, host: { heard: true }, services, warnings: ['w'] });
    expect(next.order?.needs).toBe('git');
  });

  it('keeps the services of the last report where a report has none', () => {
    const known = { ...building, services: [service('api')] };
    expect(take(known, { progress }).services).toEqual([service('api')]);
    expect(take(known, { result }).services).toEqual([service('api')]);
  });

  it('does not meet a need again that a newer revision has met', () => {
    const renewed = { ...building, order: { ...sampleSentSpec, revision: 2 } };
    expect(take(renewed, { progress: { ...progress, needs: 'git' } }).order).not.toHaveProperty('needs');
  });

  it('ignores reports of other generations, and a second result', () => {
    const old = { ...progress, generation: 7, services: [service('api')] };
    expect(take(building, { progress: old })).toEqual(building);
    expect(take(building, { result: { ...result, generation: 7 } })).toEqual(building);
    expect(take(readyState(), { result: { ...result, outcome: 'failed' } })).toEqual(readyState());
  });

  it('believes only names of this environment, valid paths, and a limited number of services', () => {
    const claims = [
      service('a', { hostname: 'admin.eph.test' }),
      // It is as long as a name of this environment, with another name in front.
      service('a', { hostname: `a--${'x'.repeat(main.length)}` }),
      service('b', { hostname: main }),
      service('c', { hostname: `x.y--${main}` }),
      service('d', { path: '/|<b>' }),
      service('e', { primary: true }),
      service('good'),
    ];
    expect(take(building, { progress: { ...progress, services: claims } }).services).toEqual([
      service('good'),
    ]);
    const many = Array.from({ length: 500 }, (_, n) => service(`s${n}`));
    expect(take(building, { result: { ...result, services: many } }).services).toHaveLength(
      MAX_PUBLIC_SERVICES,
    );
  });

  it('believes the name that each service has, also that of a service with two letters', () => {
    const services = ['a', 'db', 'api'].map((name) =>
      service(name, { hostname: serviceHostname(name, main) }),
    );
    expect(take(building, { progress: { ...progress, services } }).services).toEqual(services);
  });

  it('a ready result ends the failure and all retries but that of the report', () => {
    const retry = { count: 1, notBefore: 99, insisted: true, code: 'x', sentence: 'x' };
    const next = take({ ...building, retries: { 'notify-host': retry, report: retry } }, { result });
    expect(next).toMatchObject({
      phase: 'ready',
      serving: { sha: SHA, generation: 1 },
      timings: { building: 5 },
    });
    expect(next.retries).toEqual({ report: retry });
    expect(next).not.toHaveProperty('unfinishedSince');
  });

  it('a failed result says whether the version before still serves', () => {
    const serving = { generation: 1, sha: OTHER_SHA };
    const updating = { ...building, serving: { ...serving, since: 0 } };
    const failed: Result = {
      ...result,
      outcome: 'failed',
      failure: { code: 'exit', sentence: 'It ended.', log: ['boom'] },
    };
    expect(take(updating, { result: { ...failed, serving } })).toMatchObject({
      phase: 'failed',
      failure: { code: 'exit', sha: SHA, log: ['boom'] },
      serving: { sha: OTHER_SHA },
    });
    expect(take(updating, { result: failed })).not.toHaveProperty('serving');
    // The time since when the version before serves is kept; that of another version was not known.
    expect(take(updating, { result: { ...failed, serving } }).serving?.since).toBe(0);
    const other = { ...serving, generation: 2 };
    expect(take(updating, { result: { ...failed, serving: other } }).serving?.since).toBe(10);
  });

  it('progress says what takes long, and a report without that keeps the last one', () => {
    const at = { generation: 1, revision: 1, services: [], warnings: [] };
    const word = take(building, { progress: { ...at, stage: 'building', waiting: 'since 19:46 UTC' } });
    expect(word.order?.doing).toEqual({ stage: 'building', waiting: 'since 19:46 UTC' });
    expect(take(word, { progress: { ...at, stage: 'checking' } }).order?.doing).toEqual(word.order?.doing);
  });

  it('a failed result says which version serves, also one that was never reported as ready', () => {
    const failed: Result = { ...result, outcome: 'failed', serving: { generation: 2, sha: OTHER_SHA } };
    const updating = { ...building, serving: { generation: 1, sha: SHA, since: 0 } };
    for (const state of [updating, building]) {
      expect(take(state, { result: failed }).serving).toMatchObject({ generation: 2, sha: OTHER_SHA });
    }
  });

  it('a failed result says which version could not be started again', () => {
    const failed: Result = { ...result, outcome: 'failed', lost: OTHER_SHA };
    expect(take(building, { result: failed }).failure).toMatchObject({ sha: SHA, lost: OTHER_SHA });
  });

  it('a superseded result finishes nothing, and the time since when is kept', () => {
    const next = take(building, { result: { ...result, outcome: 'superseded' } });
    expect(next).toMatchObject({ phase: 'deploying', unfinishedSince: 0, order: { finished: 'superseded' } });
  });
});

function fail(): never {
  throw new Error('the sample has settings');
}
