import type { Handle } from '#core/handle';

export type { Handle };

/** One call of a provider: at most one effect on a cloud, and what is to be remembered of it. */
export interface Moved {
  /** Undefined: nothing is left of it. */
  handle: Handle | undefined;
  /** Nothing was done yet: save the handle, then call again. A crash after the effect finds by it what was made. */
  saveFirst?: true;
  /** It is as it was asked to be. Otherwise call again, or at `recheckAt`. */
  done: boolean;
  /** Epoch ms; until then calling again changes nothing. */
  recheckAt?: number;
  /** One phrase for the trace. */
  note: string;
}

/** Something that exists in a cloud, whole: a machine with its disk and mailbox, a tunnel with its records. */
export interface Unit {
  /** As `owns` says it; unique within the provider. */
  id: string;
  /** Of what kind, for logs: `machine`, `tunnel`. */
  what: string;
  /** Its key, whole or as `markedKey` has it; undefined where there is no mark any more. */
  environment: string | undefined;
  /** Epoch ms; when it was made. */
  since: number;
  /** It costs as much as one that is used. False: it was made harmless, and its data waits for whoever misses it. */
  running?: boolean;
  /** What it is made of, beside itself, as `owns` says it: what a handle answers for and nobody lists is missing. */
  parts?: readonly string[];
}

/** What every provider can say of the things that it makes, so that garbage is collected in one way. */
export interface Kept {
  /** All units with this deployment's mark; throws rather than end early. */
  list(): AsyncIterable<Unit>;
  /** Ids of the units, and of their parts, that a handle answers for; throws for one that `upgrade` does not know. */
  owns(handle: Handle): string[];
  /** Something was begun whose id is not known: any unit with the environment's mark may be it. */
  hasBegun(handle: Handle): boolean;
  /** A unit of nobody: removed, or first made harmless where its data may be somebody's. Safe to repeat. */
  discard(unit: Unit): Promise<'removed' | 'stopped'>;
  /** A handle of an older version in today's form; `unknown`: it is newer than this code. */
  upgrade(handle: Handle): Handle | 'unknown';
}
