import type { Item } from './table.ts';

/** The names of the attributes of a table's key. */
export interface KeyNames {
  partition: string;
  sort?: string;
}

/** The key of the table of rows. */
export const rowKey: KeyNames = { partition: 'key' };

/** One item of a table; `sort` is set if its key has two parts. */
export interface ItemKey {
  key: string;
  sort?: string;
}

/** The key as attributes of its item. */
export function itemKey({ partition, sort: sortName }: KeyNames, { key, sort }: ItemKey): Item {
  return sortName === undefined ? { [partition]: key } : { [partition]: key, [sortName]: sort };
}
