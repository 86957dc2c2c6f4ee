import { expect, it } from 'vitest';
import { type Ask, askedAt, isNewer, MAX_ASK_BYTES, orderOf } from '#core/requests';

const ask = (order: string): Ask => ({ order, by: 'ada' });

it('the newest request of a verb counts, by its time and then by its id', () => {
  const at = Date.UTC(2026, 10, 27);
  const orders = [
    orderOf(0, 'z'),
    orderOf(999, 'a'),
    orderOf(at, '1'),
    orderOf(at, '2'),
    orderOf(at + 1, '0'),
  ];
  expect([...orders].sort()).toEqual(orders);
  expect(isNewer(ask(orders[3] ?? ''), ask(orders[2] ?? ''))).toBe(true);
  expect(isNewer(ask(orders[2] ?? ''), ask(orders[2] ?? ''))).toBe(false);
  expect(isNewer(ask(orders[0] ?? ''), undefined)).toBe(true);
  expect(isNewer(undefined, undefined)).toBe(false);
  expect(askedAt(ask(orders[2] ?? ''))).toBe(at);
});

it('a request with the longest id of a delivery fits into its register', () => {
  const longest = { order: orderOf(Date.now(), 'x'.repeat(100)), by: 'x'.repeat(39), arg: 'a'.repeat(40) };
  expect(JSON.stringify(longest).length).toBeLessThan(MAX_ASK_BYTES);
});
