import { asEphError } from '#core/failure';
import type { LogLine } from '../../ports.ts';
import type { MissedSpan } from '../forge.ts';
import {
  DELIVERIES_KEPT,
  DELIVERY_PAGES_CAP,
  DELIVERY_READ_BUDGET,
  RECENT_DELIVERIES,
  REDELIVERY_BUDGET,
  REDELIVERY_CAP,
} from './github-limits.ts';
import type { GithubWire } from './github-wire.ts';
import { type DeliveryAttempt, findUndelivered } from './undelivered.ts';

interface Context {
  wire: GithubWire;
  now(): number;
  log(line: LogLine): void;
}

/** Ages of the deliveries that are searched for. */
const ages: Record<MissedSpan, { oldest: number; newest: number }> = {
  recent: { oldest: RECENT_DELIVERIES, newest: 0 },
  older: { oldest: DELIVERIES_KEPT, newest: RECENT_DELIVERIES },
};

/**
 * Asks again for webhooks that GitHub could not deliver, with the same delivery id: GitHub never repeats one
 * by itself. Nothing of this is stored here, since GitHub's own list has each try of a delivery.
 *
 * Gotchas
 * - The list is read page by page until it is older than the age that is searched for: any number of other deliveries
 *   may follow a failure. `status=failure` is not used as a filter: it is about answers, and may leave time-outs out.
 * - The quarter-hourly sweep reads the last hour and the hourly one the days before, so that failures from an
 *   outage of the sweep itself are found, and the many pages of three days are read only once an hour.
 */
export async function redeliverMissed(span: MissedSpan, context: Context): Promise<number> {
  const { now, log } = context;
  const range = ages[span];
  const startedAt = now();
  const attempts = await readAttempts(startedAt - range.oldest, context);
  const due = findUndelivered(attempts, startedAt).filter(({ first }) => {
    const age = startedAt - first;
    return age >= range.newest && age < range.oldest;
  });
  let asked = 0;
  for (const { id, guid, tries } of due.slice(0, REDELIVERY_CAP)) {
    if (now() - startedAt > REDELIVERY_BUDGET) break;
    if (!(await askAgain(id, guid, context))) continue;
    asked += 1;
    log({ level: 'warn', message: 'webhook redelivered', delivery: guid, tries });
  }
  return asked;
}

async function readAttempts(since: number, { wire, now, log }: Context): Promise<DeliveryAttempt[]> {
  const startedAt = now();
  const attempts: DeliveryAttempt[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < DELIVERY_PAGES_CAP; page += 1) {
    const read = await wire.deliveries(cursor);
    attempts.push(...read.attempts);
    cursor = read.next;
    const oldest = read.attempts.at(-1)?.at ?? since;
    if (cursor === undefined || oldest < since) return attempts;
    if (now() - startedAt > DELIVERY_READ_BUDGET) break;
  }
  const before = new Date(attempts.at(-1)?.at ?? since).toISOString();
  log({ level: 'warn', message: `more deliveries than one look reads: none from before ${before}` });
  return attempts;
}

/** One that GitHub refuses (it has just deleted it) does not stop the others. */
async function askAgain(id: string, guid: string, { wire, log }: Context): Promise<boolean> {
  try {
    await wire.redeliver(id);
    return true;
  } catch (error) {
    const failure = asEphError(error);
    if (failure.kind !== 'permanent') throw failure;
    log({ level: 'warn', message: 'webhook not redelivered', delivery: guid, cause: failure.code });
    return false;
  }
}
