import { describe, expect, it } from 'vitest';
import { defaultPreviewConfig } from '#core/preview-config';
import { choosePlace, placesInRound, wantedInstanceTypes } from '../../../lambdas/providers/ec2/capacity.ts';

const subnets = ['a', 'b', 'c'];
const types = ['t3.small', 't3a.small'];
const placesFrom = (attempt: number, count: number) =>
  Array.from({ length: count }, (_, n) => choosePlace(attempt + n, n, subnets, types)).map(
    (place) => `${place?.subnetId} ${place?.instanceType}`,
  );

describe('a launch', () => {
  it('is tried in each subnet with the first type, then with the next, and then from the beginning', () => {
    expect(placesFrom(1, 7)).toEqual([
      'a t3.small',
      'b t3.small',
      'c t3.small',
      'a t3a.small',
      'b t3a.small',
      'c t3a.small',
      'a t3.small',
    ]);
  });

  it('of a later machine begins in another subnet, with the first type', () => {
    expect(placesFrom(3, 4)).toEqual(['c t3.small', 'a t3.small', 'b t3.small', 'c t3a.small']);
  });

  it('is tried nowhere without a subnet or a type', () => {
    expect(choosePlace(1, 0, [], types)).toBeUndefined();
    expect(choosePlace(1, 0, subnets, [])).toBeUndefined();
  });

  it.each([
    [1, 1, 1],
    [3, 2, 6],
    [6, 4, 9],
  ])('in %i subnets with %i types has a round of %i tries', (subnetCount, typeCount, round) => {
    expect(placesInRound(subnetCount, typeCount)).toBe(round);
  });
});

describe('the types', () => {
  const defaults = { amd64: types, arm64: ['t4g.small'] };
  it('are the operator’s for the architecture, or the one that the repository asks for', () => {
    expect(wantedInstanceTypes(undefined, defaults)).toEqual(types);
    expect(wantedInstanceTypes({ ...defaultPreviewConfig, arch: 'arm64' }, defaults)).toEqual(['t4g.small']);
    expect(wantedInstanceTypes({ ...defaultPreviewConfig, instance_type: 'm7i.large' }, defaults)).toEqual([
      'm7i.large',
    ]);
  });
});
