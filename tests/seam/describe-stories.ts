import { describe, expect, it } from 'vitest';
import type { Pause } from '#core/pause';
import { hours, minutes } from '../fakes/clock.ts';
import { type Life, nothing, type Place } from './place.ts';

async function ready(place: Place): Promise<Life> {
  const pull = place.open();
  await place.platform.advance(minutes(10));
  return pull;
}

async function say({ platform }: Place, pause: Pause): Promise<void> {
  platform.operator.paused = pause;
  await platform.sweep('wake-all');
  await platform.advance(minutes(5));
}

/** The life of pull requests, which is the same wherever their environments run. */
export function describeStories(where: string, begin: (config?: Record<string, string>) => Place): void {
  describe(`where ${where}, a pull request`, () => {
    const keptForADay = () => begin({ TERMINATE_AFTER_SECONDS: '86400' });

    it('that is opened is served, and its address is reported', async () => {
      const place = begin();
      const pull = await ready(place);
      await pull.expectServed();
      const { hostname } = await pull.state();
      expect(pull.texts()).toEqual([expect.stringContaining(`https://${hostname}`)]);
      expect(pull.texts()).toEqual([expect.stringContaining(`https://api--${hostname}`)]);
    });

    it('that is pushed to is served anew by the same unit', async () => {
      const place = begin();
      const pull = await ready(place);
      const { units } = await place.exists();
      pull.push();
      await place.platform.advance(minutes(3));
      await pull.expectServed();
      expect((await place.exists()).units).toEqual(units);
    });

    it('that is pushed to while it is built is served at its newest commit', async () => {
      const place = begin();
      const pull = place.open();
      await place.platform.advance(30_000);
      pull.push();
      await place.platform.advance(minutes(10));
      await pull.expectServed();
    });

    it('whose push fails goes on serving what it served, and both are reported', async () => {
      const place = begin();
      const pull = await ready(place);
      const served = pull.head();
      place.build('failed');
      pull.push();
      await place.platform.advance(minutes(5));
      expect((await pull.state()).phase).toBe('failed');
      expect(await pull.served()).toBe(served);
      const both = expect.stringContaining(`The address still serves \`${served.slice(0, 7)}\``);
      expect(pull.texts()).toEqual([both]);
    });

    it('that is closed leaves nothing', async () => {
      const place = begin();
      const pull = await ready(place);
      pull.close();
      await place.platform.advance(minutes(5));
      expect(await place.exists()).toEqual(nothing);
      expect(pull.texts()).toEqual([expect.stringContaining('Preview removed')]);
    });

    it('that is closed while it begins leaves nothing', async () => {
      const place = begin();
      const pull = place.open();
      await place.platform.deliverAll();
      expect((await place.exists()).units).toHaveLength(1);
      pull.close();
      await place.platform.advance(minutes(5));
      expect(await place.exists()).toEqual(nothing);
    });

    it('that is closed and kept for a day serves nobody, and is gone when the day is over', async () => {
      const place = keptForADay();
      const pull = await ready(place);
      pull.close();
      await place.platform.advance(minutes(5));
      const { units, ways, addresses } = await place.exists();
      expect({ kept: units.length, ways, addresses }).toEqual({ kept: 1, ways: [], addresses: [] });
      expect(await pull.served()).toBeUndefined();
      await place.platform.advance(hours(25));
      await place.platform.sweep('due');
      await place.platform.advance(minutes(5));
      expect(await place.exists()).toEqual(nothing);
    });

    it('that is reopened within its day is served at the same name by the same unit', async () => {
      const place = keptForADay();
      const pull = await ready(place);
      const before = { ...(await place.exists()), ...(await pull.state()) };
      pull.close();
      await place.platform.advance(hours(1));
      pull.reopen();
      await place.platform.advance(minutes(10));
      await pull.expectServed();
      const after = { ...(await place.exists()), ...(await pull.state()) };
      expect(after.units).toEqual(before.units);
      expect(after.hostname).toBe(before.hostname);
    });

    it('that is reopened when nothing was left is served by another unit', async () => {
      const place = begin();
      const pull = await ready(place);
      const { units } = await place.exists();
      pull.close();
      await place.platform.advance(minutes(5));
      pull.reopen();
      await place.platform.advance(minutes(10));
      await pull.expectServed();
      expect((await place.exists()).units).not.toEqual(units);
    });

    it('sleeps while everything is paused, and wakes with what it served, without a new deploy', async () => {
      const place = begin();
      const pull = await ready(place);
      const { generation } = await pull.state();
      const before = await place.exists();
      await say(place, 'everything');
      expect((await pull.state()).phase).toBe('stopped');
      expect(await pull.served()).toBeUndefined();
      expect(await place.exists()).toEqual({ ...before, deployments: [] });
      await say(place, 'no');
      await pull.expectServed();
      expect((await pull.state()).generation).toBe(generation);
    });

    it('that is pushed to while it sleeps wakes with the newest commit', async () => {
      const place = begin();
      const pull = await ready(place);
      await say(place, 'everything');
      pull.push();
      await place.platform.advance(minutes(5));
      await say(place, 'no');
      await pull.expectServed();
    });

    it('waits while launches are paused, and begins when Eph is resumed', async () => {
      const place = begin();
      await say(place, 'launches');
      const pull = await ready(place);
      expect((await pull.state()).phase).toBe('queued');
      expect((await place.exists()).units).toEqual([]);
      await say(place, 'no');
      await pull.expectServed();
    });

    it('is checked by the garbage collection, which finds nothing to do', async () => {
      const place = begin();
      const pull = await ready(place);
      for (let hour = 0; hour < 3; hour += 1) {
        await place.platform.advance(hours(1));
        await place.platform.sweep('compare');
      }
      await place.platform.advance(minutes(1));
      await pull.expectServed();
    });
  });
}
