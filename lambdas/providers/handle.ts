import type { Handle } from '#core/handle';

export type { Handle };

/** Result of one call of a provider: at most one effect on a vendor, and what is to be remembered of it. */
export interface Moved {
  /** Undefined: nothing is left of it. */
  handle: Handle | undefined;
  /** Nothing was done yet: save the handle, then call again. After a crash it leads to what the effect made. */
  saveFirst?: true;
  /** Everything is as it was asked for. Otherwise call again, or at `recheckAt`. */
  done: boolean;
  /** Epoch ms; until then another call changes nothing. */
  recheckAt?: number;
  /** One phrase for the trace. */
  note: string;
}

/** A complete thing that exists at a vendor: a machine with its disk and mailbox, a tunnel with its records. */
export interface Unit {
  /** The id that `owns` returns; unique within the provider. */
  id: string;
  /** Its kind, for logs: `machine`, `tunnel`. */
  what: string;
  /** Its key, complete or in the form of `markedKey`; undefined if the mark is lost. */
  environment: string | undefined;
  /** Epoch ms; when it was made. */
  since: number;
  /** It costs as much as one in use. False: it was made harmless, and its data is kept in case somebody misses it. */
  running?: boolean;
  /** Ids, as in `owns`, of its other parts: an id that a handle owns and no list contains is missing. */
  parts?: readonly string[];
}

/** What every provider reports of the things that it makes, so that one garbage collection works for all. */
export interface Kept {
  /** All units with this deployment's mark; throws if the list is not complete. */
  list(): AsyncIterable<Unit>;
  /** Ids of the units, and of their parts, that a handle owns; throws for one that `upgrade` does not know. */
  owns(handle: Handle): string[];
  /** Something was begun whose id is not known: it may be any unit with the environment's mark. */
  hasBegun(handle: Handle): boolean;
  /** Removes an orphaned unit, or makes it harmless first if somebody may need its data. Safe to repeat. */
  discard(unit: Unit): Promise<'removed' | 'stopped'>;
  /** An older version's handle in the current form; `unknown`: it is newer than this code. */
  upgrade(handle: Handle): Handle | 'unknown';
}
