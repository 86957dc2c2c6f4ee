import { expect, it } from 'vitest';
import { createTestPlatform, keyOf } from '../../fakes/create-test-platform.ts';

it('answers for every machine of an environment while it does not know which of them it has begun', async () => {
  const { compute } = createTestPlatform().ports;
  const key = keyOf(7, 1);
  const options = { attempt: 1, refusals: 0, config: undefined };
  const begun = await compute.move(key, undefined, 'running', options);
  expect(begun).toMatchObject({ saveFirst: true, done: false });
  if (!begun.handle) throw new Error('nothing was begun');
  expect(compute.hasBegun(begun.handle)).toBe(true);
  expect(compute.owns(begun.handle)).toEqual([]);

  const launched = await compute.move(key, begun.handle, 'running', options);
  if (!launched.handle) throw new Error('nothing was launched');
  expect(compute.hasBegun(launched.handle)).toBe(false);
  expect(compute.owns(launched.handle)).toContain(launched.note);
});
