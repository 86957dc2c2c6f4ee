/**
 * Requests of people, which no outside source repeats (`/eph stop`, a visitor who wakes a preview). The row has one
 * register per verb, beside its state. The newest request of a verb wins, a repetition changes nothing, and nobody
 * deletes a register.
 *
 * Messengers write registers, and the holder of the lease only reads them. Most are levels: `stop` holds until a later
 * `wake` or `deploy`. A request that acts once is compared with `applied`, which is saved together with its effect.
 */
export const verbs = ['stop', 'wake', 'keep', 'deploy', 'destroy', 'evict'] as const;
export type Verb = (typeof verbs)[number];

export interface Ask {
  /**
   * 13 digits of epoch ms, `#`, and the id of the comment, delivery or call. It is compared as text, so that two
   * requests of one millisecond have an order too, and the same one everywhere.
   */
  order: string;
  /** The person who asked, for the trace. */
  by: string;
  /** `keep`: until when, epoch ms; `deploy`: the commit. */
  arg?: string;
}

export type Asks = Partial<Record<Verb, Ask>>;

export interface Asked {
  verb: Verb;
  ask: Ask;
}

/** Limit of one register as JSON: six of them must not fill the row. */
export const MAX_ASK_BYTES = 300;

export function orderOf(at: number, id: string): string {
  return `${String(Math.max(0, Math.floor(at))).padStart(13, '0')}#${id}`;
}

/** Undefined: there was no such request. */
export function askedAt(ask: Ask | undefined): number | undefined {
  return ask && Number(ask.order.slice(0, 13));
}

export function isNewer(ask: Ask | undefined, than: Ask | undefined): boolean {
  return ask !== undefined && (than === undefined || ask.order > than.order);
}
