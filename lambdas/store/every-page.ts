import type { Cursor, Item, Page } from './table.ts';

/** The items of all pages; throws rather than return a partial list. */
export async function everyPage(ask: (from: Cursor | undefined) => Promise<Page>): Promise<Item[]> {
  const found: Item[] = [];
  let from: Cursor | undefined;
  do {
    const { items, next } = await ask(from);
    found.push(...items);
    from = next;
  } while (from);
  return found;
}
