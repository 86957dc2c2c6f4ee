/**
 * What people ask for and no outside truth repeats (`/eph stop`, a visitor who wakes a preview): one register per
 * verb in the row, beside its state. The newest of a verb wins, a repetition changes nothing, nobody deletes.
 *
 * Messengers write registers, the holder of the lease only reads them. Most are levels: `stop` holds until a later
 * `wake` or `deploy`. What acts once is compared with `applied`, which is saved together with what it caused.
 */
export const verbs = ['stop', 'wake', 'keep', 'deploy', 'destroy', 'evict'] as const;
export type Verb = (typeof verbs)[number];

export interface Ask {
  /**
   * 13 digits of epoch ms, `#`, and the id of the comment, delivery or call. Compared as text, so that two of one
   * millisecond have an order too, the same one everywhere.
   */
  order: string;
  /** Who asked, for the trace. */
  by: string;
  /** `keep`: until when, epoch ms; `deploy`: the commit. */
  arg?: string;
}

export type Asks = Partial<Record<Verb, Ask>>;

export interface Asked {
  verb: Verb;
  ask: Ask;
}

/** Of one register as JSON: six of them must not crowd the row. */
export const MAX_ASK_BYTES = 300;

export function orderOf(at: number, id: string): string {
  return `${String(Math.max(0, Math.floor(at))).padStart(13, '0')}#${id}`;
}

/** Undefined: never asked. */
export function askedAt(ask: Ask | undefined): number | undefined {
  return ask && Number(ask.order.slice(0, 13));
}

export function isNewer(ask: Ask | undefined, than: Ask | undefined): boolean {
  return ask !== undefined && (than === undefined || ask.order > than.order);
}
