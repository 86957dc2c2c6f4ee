import { describe, expect, it } from 'vitest';
import { type EnvironmentState, newState, type Row } from '#core/environment';
import { STUCK_AFTER } from '#core/limits';
import { findStuck } from '#core/stuck';
import { readyState, sampleHost, samplePull, sampleSentSpec, without } from '../fakes/sample-state.ts';

const NOW = 10 * STUCK_AFTER;
const old = { phaseSince: NOW - STUCK_AFTER - 1 };
const past = { startedAt: 1, mailedAt: 1 };
const building = (changes: Partial<EnvironmentState> = {}) =>
  readyState({ ...old, phase: 'deploying', order: { ...sampleSentSpec, ...past }, ...changes });

const refused = {
  count: 40,
  since: NOW - STUCK_AFTER - 1,
  notBefore: NOW,
  insisted: false,
  code: 'x',
  sentence: 'x',
};

function rowOf(state: EnvironmentState, nextLookAt?: number): Row {
  const source = { access: '1', owner: 'acme', name: 'shop', delivery: 'd' };
  const row = { v: 1, key: '1#1', repositoryId: 1, number: 1, wakes: 1, source, state } as const;
  return nextLookAt === undefined ? row : { ...row, nextLookAt };
}

describe('stuck is', () => {
  it.each<[string, Row]>([
    ['a build that has made no progress for more than an hour', rowOf(building())],
    [
      'an environment that waits for a machine for more than an hour',
      rowOf(without(building({ phase: 'queued' }), 'host', 'order')),
    ],
    [
      'an environment that was refused a machine for more than an hour, the last time a moment ago',
      rowOf(
        without(
          building({ phase: 'queued', phaseSince: NOW - 1, retries: { 'launch-host': refused } }),
          'host',
          'order',
        ),
      ),
    ],
    ['an address that cannot be removed for more than an hour', rowOf(building({ phase: 'destroying' }))],
    ['a row whose check was due more than an hour ago', rowOf(readyState(), NOW - STUCK_AFTER - 1)],
    ['a row that was made and never reconciled', rowOf(newState(0), NOW - STUCK_AFTER - 1)],
  ])('%s', (_what, row) => {
    expect(findStuck([row], NOW)).toEqual(['1#1']);
  });
});

describe('not stuck is', () => {
  const closed = { ...samplePull, state: 'closed' as const };
  const asleep = { ...sampleHost, power: 'off' as const };
  it.each<[string, Row]>([
    ['a ready environment', rowOf(readyState(old))],
    [
      'a failed environment, where another push is another try',
      rowOf(readyState({ ...old, phase: 'failed' })),
    ],
    [
      'a destroyed environment',
      rowOf(without(readyState({ ...old, phase: 'destroyed' }), 'host', 'ingress')),
    ],
    [
      'a build that was begun a moment ago, after an hour of pushes',
      rowOf(building({ order: { ...sampleSentSpec, mailedAt: NOW - 1 } })),
    ],
    [
      'a machine that was switched on a moment ago',
      rowOf(building({ host: { ...sampleHost, startedAt: NOW - 1 } })),
    ],
    [
      'an environment that waits because the operator paused Eph',
      rowOf(without(building({ phase: 'queued', paused: 'launches' }), 'host', 'order')),
    ],
    [
      'a disk that is kept for a reopening',
      rowOf(without(building({ phase: 'destroying', pull: closed, host: asleep }), 'ingress', 'order')),
    ],
    ['a row that was made a moment ago', rowOf(newState(0), NOW - 1)],
  ])('%s', (_what, row) => {
    expect(findStuck([row], NOW)).toEqual([]);
  });
});
