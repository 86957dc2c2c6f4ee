import { expect, test } from 'vitest';
import { listingOf } from '../../lambdas/config.ts';

test.each([
  [[], 'unlisted'],
  [['other/*', '!other/shop'], 'unlisted'],
  [['acme/shop'], 'listed'],
  [['ACME/*'], 'listed'],
  [['*'], 'listed'],
  [['acme/sho'], 'unlisted'],
  [['acme/*', '!acme/shop'], 'excluded'],
  [['!acme/shop'], 'excluded'],
  [['!acme/*', 'acme/shop'], 'listed'],
] as const)('with REPOSITORIES=%s acme/shop is %s', (patterns, listing) => {
  expect(listingOf(patterns, 'acme', 'Shop')).toBe(listing);
});
