import { expect, test } from 'vitest';
import { listingOf } from '../../lambdas/listing.ts';

test.each([
  [['acme/*'], 'unlisted'],
  [['plain:acme/*'], 'listed'],
  [['*', '!plain:acme/shop'], 'excluded'],
  [['*'], 'listed'],
] as const)('with REPOSITORIES=%s plain:acme/shop of another forge is %s', (patterns, listing) => {
  expect(listingOf(patterns, 'acme', 'Shop', 'plain')).toBe(listing);
});

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
