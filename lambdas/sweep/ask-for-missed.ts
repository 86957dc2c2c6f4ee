import type { MissedSpan } from '../providers/forge.ts';
import type { Dependencies } from '../reconcile/run.ts';

/** Asks each forge again for messages that did not arrive, whatever the others answer. Returns how many. */
export async function askForMissed({ ports }: Dependencies, span: MissedSpan): Promise<number> {
  const asked = await Promise.allSettled([...ports.forges.values()].map((forge) => forge.missed(span)));
  const errors = asked.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
  if (errors.length > 0) throw new AggregateError(errors, 'a forge could not be asked for missed messages');
  return asked.reduce((sum, one) => sum + (one.status === 'fulfilled' ? one.value : 0), 0);
}
