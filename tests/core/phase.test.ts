import { describe, expect, it } from 'vitest';
import { admit } from '#core/admit';
import { desired, type Policy } from '#core/desired';
import type { EnvironmentState, Phase } from '#core/environment';
import { newState } from '#core/environment';
import { phaseOf } from '#core/phase';
import {
  OTHER_SHA,
  readyState,
  SHA,
  sampleHost,
  samplePull,
  sampleSentSpec,
  without,
} from '../fakes/sample-state.ts';

const policy: Policy = { terminateAfter: 0, listed: true };
const failure = { code: 'x', sentence: 'x', sha: SHA, at: 0, log: [] };
const off = { ...sampleHost, power: 'off' as const, heard: false, everHeard: true as const };
const onDisk = { sha: SHA, generation: 1 };
const closed = { ...samplePull, state: 'closed' as const };
const retry = { count: 1, notBefore: 9, insisted: false, code: 'x', sentence: 'x' };
const gone = (changes: Partial<EnvironmentState>) =>
  without(readyState(changes), 'host', 'ingress', 'order', 'serving');

const rows: [so: string, state: EnvironmentState, phase: Phase, under?: Partial<Policy>][] = [
  ['nobody has confirmed it', newState(0), 'new'],
  ['it never was', { ...newState(0), forgetAt: 1 }, 'destroyed'],
  ['closed, and something is left', readyState({ pull: closed }), 'destroying'],
  ['closed, and nothing is left', gone({ pull: closed }), 'destroyed'],
  ['a draft, and nothing is left', gone({ pull: { ...samplePull, draft: true } }), 'declined'],
  ['open, and Eph is taken down', gone({ paused: 'closed' }), 'destroyed'],
  ['expired, and something is left', readyState({ activeAt: 0 }), 'destroying', { ttl: 0 }],
  ['expired, and nothing is left', gone({ activeAt: 0 }), 'cold', { ttl: 0 }],
  ['to sleep, and still on', readyState({ paused: 'everything' }), 'stopping'],
  ['asleep', readyState({ paused: 'everything', host: off, onDisk }), 'stopped'],
  ['asleep with a commit that failed', readyState({ paused: 'everything', host: off, failure }), 'stopped'],
  ['to sleep without a machine', without(readyState({ paused: 'everything' }), 'host'), 'queued'],
  ['no machine', without(readyState(), 'host', 'order', 'serving'), 'provisioning'],
  [
    'no capacity for a machine',
    without(readyState({ retries: { 'launch-host': { ...retry, capacity: true } } }), 'host', 'order'),
    'queued',
  ],
  [
    'a launch that failed for another reason',
    without(readyState({ retries: { 'launch-host': retry } }), 'host', 'order'),
    'provisioning',
  ],
  ['launches are paused, no machine', without(readyState({ paused: 'launches' }), 'host'), 'queued'],
  ['launches are paused, asleep', readyState({ paused: 'launches', host: off, onDisk }), 'stopped'],
  ['off and wanted', without(readyState({ host: off, onDisk }), 'serving'), 'waking'],
  [
    'on, without a report since',
    without(readyState({ host: { ...off, power: 'on' }, onDisk }), 'serving'),
    'waking',
  ],
  ['on, without a deployment spec', without(readyState(), 'order', 'serving'), 'provisioning'],
  ['being built', without(readyState({ order: sampleSentSpec }), 'serving'), 'deploying'],
  ['being built while another serves', readyState({ order: sampleSentSpec }), 'updating'],
  ['serving', readyState(), 'ready'],
  [
    'pushed to, without a deployment spec yet',
    readyState({ pull: { ...samplePull, sha: OTHER_SHA } }),
    'updating',
  ],
  ['failed', readyState({ failure }), 'failed'],
  ['failed, and no machine', gone({ failure }), 'failed'],
];

describe('the phase that people are shown', () => {
  it.each(rows)('%s', (_so, state, phase, under = {}) => {
    const wanted = desired({ state }, { ...policy, ...under }, 10);
    expect(phaseOf(state, wanted, admit(state, wanted, 10))).toBe(phase);
  });

  it('takes each of its values in these rows', () => {
    expect([...new Set(rows.map(([, , phase]) => phase))].sort()).toEqual(
      [
        ...['cold', 'declined', 'deploying', 'destroyed', 'destroying', 'failed', 'new', 'provisioning'],
        ...['queued', 'ready', 'stopped', 'stopping', 'updating', 'waking'],
      ].sort(),
    );
  });
});

describe('whether an environment may be switched on now', () => {
  const held = (changes: Partial<EnvironmentState>) => {
    const state = readyState(changes);
    return admit(state, desired({ state }, policy, 10), 10);
  };

  it('is admitted while nothing prevents it', () => {
    expect(held({})).toEqual({ kind: 'admitted' });
  });

  it('waits while launches are paused, and is checked again in case a resume missed it', () => {
    expect(held({ paused: 'launches' })).toMatchObject({ why: 'launches-paused', recheckAt: 10 + 3_600_000 });
  });

  it('waits for a push when there is nothing to serve but a commit that failed', () => {
    expect(held({ failure })).toEqual({ kind: 'held', why: 'nothing-but-a-failed-commit' });
  });

  it('starts what served before a commit that failed', () => {
    expect(held({ failure, onDisk: { sha: OTHER_SHA, generation: 1 } })).toEqual({ kind: 'admitted' });
  });

  it('waits for a push when the machine would begin a build again that never ended', () => {
    const state = without(readyState({ failure, onDisk: { sha: OTHER_SHA, generation: 1 } }), 'order');
    expect(admit(state, desired({ state }, policy, 10), 10)).toMatchObject({
      why: 'nothing-but-a-failed-commit',
    });
  });
});
