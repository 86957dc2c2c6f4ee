import { DELIVERY_FINAL_AFTER } from './github-limits.ts';

/** One try of GitHub to deliver an event; a redelivery has the guid of the first. */
export interface DeliveryAttempt {
  /** 19 digits: as a number it would be rounded. */
  id: string;
  guid: string;
  at: number;
  ok: boolean;
  redelivery: boolean;
}

export interface Undelivered {
  /** The id of the newest try. */
  id: string;
  guid: string;
  /** When the event was sent for the first time. */
  first: number;
  tries: number;
}

/**
 * Events without any successful try that are due for another one: those with the fewest tries first, then the
 * oldest.
 *
 * The wait doubles: it is as long as the time since the first try. So an event that always fails is asked for
 * about nine times until GitHub deletes it after three days, and a long outage of ours does not use up the tries
 * that come after it. An event whose first try is not in the list is older than the list, and is left alone.
 */
export function findUndelivered(attempts: readonly DeliveryAttempt[], now: number): Undelivered[] {
  const byGuid = Map.groupBy(attempts, ({ guid }) => guid);
  return [...byGuid.values()]
    .flatMap((tries) => undelivered(tries, now))
    .sort((one, other) => one.tries - other.tries || one.first - other.first);
}

function undelivered(attempts: readonly DeliveryAttempt[], now: number): Undelivered[] {
  const first = attempts.find(({ redelivery }) => !redelivery);
  const [newest] = attempts.toSorted((one, other) => other.at - one.at);
  if (!first || !newest || attempts.some(({ ok }) => ok)) return [];
  const wait = Math.max(DELIVERY_FINAL_AFTER, newest.at - first.at);
  if (now - newest.at < wait) return [];
  return [{ id: newest.id, guid: newest.guid, first: first.at, tries: attempts.length }];
}
