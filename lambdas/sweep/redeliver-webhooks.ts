import type { World } from '../reconcile/run.ts';

/** GitHub keeps deliveries for 3 days and never repeats one by itself. Milliseconds. */
const LOOK_BACK = 6 * 60 * 60 * 1_000;
/** The Worker may just be answering it. */
const TOO_YOUNG = 60_000;

/** Webhooks that GitHub recorded as failed are asked for again, with the same delivery id. */
export async function redeliverWebhooks(world: World): Promise<number> {
  const { ports } = world;
  const now = ports.now();
  const failed = await ports.pullRequests.failedDeliveries(now - LOOK_BACK);
  const due = failed.filter(({ at }) => now - at > TOO_YOUNG);
  for (const delivery of due) {
    await ports.pullRequests.redeliver(delivery.id);
    ports.log({ level: 'warn', message: 'webhook redelivered', delivery: delivery.guid });
  }
  return due.length;
}
