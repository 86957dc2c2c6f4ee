import type { Write } from './write.ts';

/** A table of items with the key `key`. Each method is one call on the wire: whoever wants all pages asks for each. */
export interface Table {
  /** The item as it is after the write. Undefined, and nothing written: it is not as the condition says. */
  update(write: Write): Promise<Item | undefined>;
  /** As it is now, not as it was a moment ago. */
  read(key: string): Promise<Item | undefined>;
  /** What an index knows, which may be what was so a moment ago. */
  query(query: IndexQuery, from?: Cursor): Promise<Page>;
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

export interface IndexQuery {
  index: string;
  name: string;
  value: string | number;
  /** By the index' sort key, and in its order. */
  atMost?: { name: string; value: number };
  limit?: number;
}
