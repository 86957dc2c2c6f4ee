import type { Condition } from './condition.ts';
import type { ItemKey } from './item-key.ts';

/** One write to one item: made if the condition holds, and the item is made if need be. */
export interface Write extends ItemKey {
  /** What it is for, as a test names it. */
  verb: string;
  set: Readonly<Record<string, unknown>>;
  /** Attribute -> whose value it takes from the item as it was, and what it takes if there was none. */
  setFrom?: Readonly<Record<string, { name: string; otherwise: unknown }>>;
  add?: Readonly<Record<string, number>>;
  remove?: readonly string[];
  condition?: Condition;
}

/** Of an attribute that stays what it is, and is set where there is none. */
export function unlessThere(values: Readonly<Record<string, unknown>>): NonNullable<Write['setFrom']> {
  return Object.fromEntries(Object.entries(values).map(([name, otherwise]) => [name, { name, otherwise }]));
}
