import { afterEach, describe, expect, it } from 'vitest';
import { hours, minutes } from '../fakes/clock.ts';
import { describeStories } from './describe-stories.ts';
import type { Life } from './place.ts';
import { type PlainPlace, plainPlace } from './plain-place.ts';

/** This file and all that it imports know no vendor: `without-vendors.walk.test.ts` runs it without their folders. */
const places: PlainPlace[] = [];
afterEach(() => {
  for (const place of places.splice(0)) place.end();
});

function begin(config?: Record<string, string>): PlainPlace {
  const place = plainPlace(config);
  places.push(place);
  return place;
}

describeStories('there is no vendor at all', begin);

async function ready({ open, platform }: PlainPlace): Promise<Life> {
  const pull = open();
  await platform.advance(minutes(10));
  return pull;
}

describe('where there is no vendor at all', () => {
  it('pull requests live beside each other, and each is reached by its own names', async () => {
    const place = begin();
    const [first, second] = [await ready(place), await ready(place)];
    const hostnames = [(await first.state()).hostname, (await second.state()).hostname];
    expect(new Set(hostnames).size).toBe(2);
    expect([await first.served(), await second.served()]).toEqual([first.head(), second.head()]);
    second.close();
    await place.platform.advance(minutes(5));
    await first.expectServed();
  });

  it('a line that somebody cuts by hand is found and replaced by the garbage collection', async () => {
    const place = begin();
    const pull = await ready(place);
    const lines = place.ingress.lines();
    for (const line of lines) place.ingress.cut(line);
    expect(await pull.served()).toBeUndefined();
    await place.platform.advance(hours(1));
    await place.platform.sweep('compare');
    await place.platform.advance(minutes(5));
    await pull.expectServed();
    expect(place.ingress.lines()).not.toEqual(lines);
  });

  it('a process that is killed without an event is found by the garbage collection', async () => {
    const place = begin();
    const pull = await ready(place);
    await place.platform.advance(hours(1));
    for (const name of place.cloud.units()) place.cloud.kill(name);
    for (const { id } of place.platform.queue.messages()) place.platform.queue.delete(id);
    await place.platform.sweep('compare');
    await place.platform.advance(minutes(5));
    await pull.expectServed();
  });

  it('Eph calls only processes, lines, the plain forge, and its own store', async () => {
    const place = begin();
    const pull = await ready(place);
    pull.push();
    await place.platform.advance(minutes(5));
    pull.close();
    await place.platform.advance(minutes(5));
    await place.platform.sweep('compare');
    const callees = new Set(place.platform.calls.map((call) => call.split(' ')[0]));
    expect([...callees].sort()).toEqual(['dynamodb', 'line', 'plain', 'process', 'sqs', 'ssm']);
  });
});
