import type { ItemKey } from './item-key.ts';
import type { Write } from './write.ts';

/** A table of items. Each method is one call on the wire: whoever wants all pages asks for each. */
export interface Table {
  /** The item as it is after the write. Undefined, and nothing written: it is not as the condition says. */
  update(write: Write): Promise<Item | undefined>;
  /** Whatever was there under its key is gone. */
  put(item: Item): Promise<void>;
  delete(key: ItemKey): Promise<void>;
  /** As it is now, not as it was a moment ago. Of a table whose key has one part. */
  read(key: string): Promise<Item | undefined>;
  /** In order of the sort key. What an index knows may be what was so a moment ago. */
  query(query: TableQuery, from?: Cursor): Promise<Page>;
  /** As it is now. */
  scan(from?: Cursor): Promise<Page>;
}

export type Item = Readonly<Record<string, unknown>>;
export type Cursor = Readonly<Record<string, unknown>>;

export interface Page {
  items: readonly Item[];
  /** Undefined: this is the last one. */
  next: Cursor | undefined;
}

export interface TableQuery {
  /** Without one the table itself is asked, by its partition key. */
  index?: string;
  name: string;
  value: string | number;
  /** By the sort key of an index. */
  atMost?: { name: string; value: number };
  limit?: number;
}
