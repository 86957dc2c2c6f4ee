import type { Lease, Row, Source } from '#core/environment';
import type { MessageFacts, Ports } from '../ports.ts';

/** What a message asks of a row. */
export interface ClaimMessage extends MessageFacts {
  key: string;
  /** Where the repository is, according to the message; the row is made if there is none. */
  source?: Source;
  /** A timer's message counts only if the time of the row's next reconcile has come. */
  ifDue?: boolean;
}

export type Leased =
  | { kind: 'leased'; row: Row }
  /** The holder cannot release the row without observing again. */
  | { kind: 'held'; until: number }
  /** There is no such row, or the timer came too late. */
  | { kind: 'nobody' };

/**
 * Writes the message and takes the lease, in one write if no run holds it. Otherwise only the message is written, and
 * that write returns the holder of the same moment: a holder's release is conditional on `wakes`, so it fails, and the
 * holder observes again. If there is no holder any more, the lease was released between the two writes, perhaps without
 * our message, so everything is tried again.
 *
 * A request goes into its register in the same write. A request that is not newer than the register's is a repetition,
 * and then its message only means "reconcile again".
 */
export async function takeLease(
  { key, source, asked, hints = [], ifDue }: ClaimMessage,
  lease: Lease,
  { environments, now }: Pick<Ports, 'environments' | 'now'>,
): Promise<Leased> {
  if (ifDue) {
    const row = await environments.claimIfDue(key, lease, now());
    return row ? { kind: 'leased', row } : { kind: 'nobody' };
  }
  let said: MessageFacts = { asked, hints };
  for (;;) {
    const at = now();
    const row = await environments.claim(key, source, lease, at, said);
    if (row) return { kind: 'leased', row };
    const told = await environments.wake(key, source, at, said);
    if (!told && said.asked) {
      said = { hints };
      continue;
    }
    if (!told) return { kind: 'nobody' };
    // The message is in the row now: the next round repeats only the wake.
    said = {};
    if (told.lease && told.lease.until > at) return { kind: 'held', until: told.lease.until };
  }
}
