import { describe, expect, it } from 'vitest';
import { newState, type Row } from '#core/environment';
import { findEnvironment, pullOf } from '../../../scripts/logs/find-environment.ts';

const source = { access: '9', owner: 'acme-2', name: 'shop$&', delivery: 'd' };
const rowOf = (key: string): Row => ({ v: 1, key, repositoryId: 7, wakes: 1, source, state: newState(0) });
const rows = ['7#1', '7#12', 'plain:7#1', '7@feature_2Flogin', '7=demo/arm'].map(rowOf);

describe('an environment', () => {
  it('has the name that people use: its repository’s', () => {
    expect(rows.map(pullOf)).toEqual([
      'acme-2/shop$&#1',
      'acme-2/shop$&#12',
      'plain:acme-2/shop$&#1',
      'acme-2/shop$&@feature_2Flogin',
      'acme-2/shop$&=demo/arm',
    ]);
  });

  it('is found by that name, on its own forge', () => {
    expect(findEnvironment(rows, 'Acme-2/shop$&#1').key).toBe('7#1');
    expect(findEnvironment(rows, 'plain:acme-2/shop$&#1').key).toBe('plain:7#1');
    expect(() => findEnvironment(rows, 'other:acme-2/shop$&#1')).toThrow('knows no pull request');
  });
});
