import type { Condition } from './condition.ts';
import type { ItemKey } from './item-key.ts';

/** One write to one item, which is made if the condition holds; a missing item is created. */
export interface Write extends ItemKey {
  /** The purpose of the write, as a test names it. */
  verb: string;
  set: Readonly<Record<string, unknown>>;
  /** Attribute -> the attribute of the old item from which it takes its value, and the value if there was none. */
  setFrom?: Readonly<Record<string, { name: string; otherwise: unknown }>>;
  add?: Readonly<Record<string, number>>;
  remove?: readonly string[];
  condition?: Condition;
}

/** Keeps the value of an existing attribute, and sets a missing one. */
export function unlessThere(values: Readonly<Record<string, unknown>>): NonNullable<Write['setFrom']> {
  return Object.fromEntries(Object.entries(values).map(([name, otherwise]) => [name, { name, otherwise }]));
}
