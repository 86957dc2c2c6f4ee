import { expect, it } from 'vitest';
import { askForMissed } from '../../lambdas/sweep/ask-for-missed.ts';
import { createTestPlatform } from '../fakes/create-test-platform.ts';
import { atOnce } from '../fakes/wire.ts';
import { plainForge } from '../forges/plain-forge.ts';

it('each forge is asked for missed messages, also when another does not answer, which is reported', async () => {
  const { ports, config } = createTestPlatform();
  const forge = plainForge().connect(atOnce);
  const asked: string[] = [];
  const answers = (name: string, count: number) => ({
    ...forge,
    async missed(span: string) {
      asked.push(`${name} ${span}`);
      if (count < 0) throw new Error(`${name} does not answer`);
      return count;
    },
  });
  const platformOf = (...counts: [number, number]) => {
    const forges = new Map([
      [undefined, answers('first', counts[0])],
      ['second', answers('second', counts[1])],
    ]);
    return { ports: { ...ports, forges }, config, nameHash: () => new Uint8Array() };
  };
  expect(await askForMissed(platformOf(2, 3), 'recent')).toBe(5);
  await expect(askForMissed(platformOf(-1, 3), 'older')).rejects.toThrow('could not be asked');
  expect(asked).toEqual(['first recent', 'second recent', 'first older', 'second older']);
});
