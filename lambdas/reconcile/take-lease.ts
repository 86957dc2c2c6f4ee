import type { Lease, Row, Source } from '#core/environment';
import type { MessageFacts, Ports } from '../ports.ts';

/** What a message says to a row. */
export interface ClaimMessage extends MessageFacts {
  key: string;
  /** Where the repository is said to be; makes the row if need be. */
  source?: Source;
  /** A timer's word counts only if the row's next look has come. */
  ifDue?: boolean;
}

export type Leased =
  | { kind: 'leased'; row: Row }
  /** The holder cannot release the row without having looked again. */
  | { kind: 'held'; until: number }
  /** No such row, or a timer that came too late. */
  | { kind: 'nobody' };

/**
 * Says the word and takes the lease, in one write while nobody holds it. Otherwise the word is written alone,
 * and that write reads back who held the lease at the same moment: a holder's release is conditional on
 * `wakes`, so it fails, and the holder looks again. Held by nobody any more means that it was released between
 * the two writes, perhaps without our word: from the start.
 *
 * A request goes into its register in the same write. One that is not newer than what stands there is a repetition, whose
 * word is "look again" and no more.
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
    // It is in the row now: what is said again is only the word.
    said = {};
    if (told.lease && told.lease.until > at) return { kind: 'held', until: told.lease.until };
  }
}
