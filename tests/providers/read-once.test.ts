import { expect, it } from 'vitest';
import type { Handle } from '../../lambdas/providers/handle.ts';
import { readOnce } from '../../lambdas/providers/read-once.ts';

it('reads the same handle once, and an equal other one again', () => {
  const read: Handle[] = [];
  const versionOf = readOnce((handle) => {
    read.push(handle);
    return handle.v;
  });
  const first: Handle = { kind: 'any', v: 1, data: {} };
  const second: Handle = { ...first };
  expect([versionOf(first), versionOf(first), versionOf(second)]).toEqual([1, 1, 1]);
  expect(read).toEqual([first, second]);
  expect(read[1]).toBe(second);
});

it('keeps the result where it could read nothing', () => {
  let asked = 0;
  const nothing = readOnce((): undefined => {
    asked += 1;
    return undefined;
  });
  const handle: Handle = { kind: 'any', v: 9, data: {} };
  expect([nothing(handle), nothing(handle), asked]).toEqual([undefined, undefined, 1]);
});
