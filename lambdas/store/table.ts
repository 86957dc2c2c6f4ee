import type { ItemKey } from './item-key.ts';
import type { Write } from './write.ts';

/** A table of items. Each method is one call to the vendor: a caller that wants all pages asks for each. */
export interface Table {
  /** Returns the item after the write. Undefined, and nothing written: the condition does not hold. */
  update(write: Write): Promise<Item | undefined>;
  /** Replaces whatever has the same key. */
  put(item: Item): Promise<void>;
  delete(key: ItemKey): Promise<void>;
  /** Returns the current item (a consistent read). Only for a table whose key has one part. */
  read(key: string): Promise<Item | undefined>;
  /** Returns items in the order of the sort key. An index may return what was true a moment ago. */
  query(query: TableQuery, from?: Cursor): Promise<Page>;
  /** Returns current items (a consistent read). */
  scan(from?: Cursor): Promise<Page>;
}

export type Item = Readonly<Record<string, unknown>>;
export type Cursor = Readonly<Record<string, unknown>>;

export interface Page {
  items: readonly Item[];
  /** Undefined: this is the last page. */
  next: Cursor | undefined;
}

export interface TableQuery {
  /** Without an index the table itself is asked, by its partition key. */
  index?: string;
  name: string;
  value: string | number;
  /** Limits the sort key of an index. */
  atMost?: { name: string; value: number };
  limit?: number;
}
