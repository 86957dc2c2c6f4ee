import { applyWrite } from '../../lambdas/store/apply-write.ts';
import { type ItemKey, type KeyNames, rowKey } from '../../lambdas/store/item-key.ts';
import type { Cursor, Item, Page, Table, TableQuery } from '../../lambdas/store/table.ts';
import { createStoredValues } from './stored-value.ts';
import { reading, type Wire, writing } from './wire.ts';

/** The items of a table; reads and writes over the wire go through `memoryTable`. */
export interface MemoryItems {
  names: KeyNames;
  get(key: string, sort?: string): Item | undefined;
  /** The items in the order in which they were made, as they are now. */
  all(): Item[];
  put(item: Item): void;
  /** The size in bytes. */
  sizeOf(item: Item): number;
  delete(key: string, sort?: string): void;
  /** The items as the indexes have them. */
  indexed(): Item[];
  /** Milliseconds by which the indexes are behind. */
  knobs: { lag: number; pageBytes: number };
}

/** Indexes are never further behind. */
const MAX_LAG = 120_000;
/** https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html */
const PAGE_BYTES = 1024 * 1024;

export function memoryItems(now: () => number = () => 0, names: KeyNames = rowKey): MemoryItems {
  const items = new Map<string, Item>();
  const values = createStoredValues();
  /** The items as they were before, for as long as an index may still have them. */
  const before = new Map<string, { item: Item | undefined; until: number }[]>();
  const knobs = { lag: 0, pageBytes: PAGE_BYTES };

  const remember = (key: string): void => {
    if (knobs.lag === 0) return;
    const old = (before.get(key) ?? []).filter(({ until }) => until > now() - MAX_LAG);
    before.set(key, [...old, { item: items.get(key), until: now() }]);
  };
  const asOf = (key: string, at: number): Item | undefined => {
    const old = before.get(key)?.find(({ until }) => until > at);
    return old ? old.item : items.get(key);
  };
  return {
    knobs,
    names,
    get: (key, sort = '') => items.get(idOf(key, sort)),
    all: () => [...items.values()],
    sizeOf: values.sizeOf,
    put(item) {
      const id = idIn(names, item);
      const kept = values.itemOf(item);
      remember(id);
      items.set(id, kept);
    },
    delete(key, sort = '') {
      const id = idOf(key, sort);
      remember(id);
      items.delete(id);
    },
    indexed() {
      if (knobs.lag === 0) return [...items.values()];
      const keys = new Set([...items.keys(), ...before.keys()]);
      return [...keys].flatMap((key) => {
        const item = asOf(key, now() - knobs.lag);
        return item ? [item] : [];
      });
    },
  };
}

/** The two parts of a key in one; no key of Eph contains the character between them. */
function idOf(key: string, sort: string): string {
  return sort === '' ? key : `${key}\n${sort}`;
}

function idIn({ partition, sort }: KeyNames, item: Item): string {
  return idOf(String(item[partition]), sort === undefined ? '' : String(item[sort]));
}

/** The table's port over items in memory. A write is made from the same data as DynamoDB's expression. */
export function memoryTable(items: MemoryItems, name: string, wire: Wire): Table {
  return {
    update: (write) =>
      wire(writing(nameOf(name, write.verb), write.key), () => {
        const after = applyWrite(items.get(write.key, write.sort), write, items.names);
        if (!after) return undefined;
        items.put(after);
        return items.get(write.key, write.sort);
      }),
    put: (item) =>
      wire(writing(`dynamodb PutItem ${name}`, String(item[items.names.partition])), () => items.put(item)),
    delete: ({ key, sort }: ItemKey) =>
      wire(writing(`dynamodb DeleteItem ${name}`, key), () => items.delete(key, sort)),
    read: (key) => wire(reading(`dynamodb GetItem ${name}`, key), () => items.get(key)),
    query: (query, from) =>
      wire(reading(`dynamodb Query ${[name, query.index ?? []].flat().join(' ')}`, query.value), () =>
        pageOf(found(items, query), from, items, query.limit),
      ),
    scan: (from) => wire(reading(`dynamodb Scan ${name}`), () => pageOf(items.all(), from, items)),
  };
}

const names = new Map<string, Map<string, string>>();

/** Returns the same string for the same write, so that a call that is found by its name is not hashed again. */
function nameOf(table: string, verb: string): string {
  const ofTable = names.get(table) ?? new Map<string, string>();
  names.set(table, ofTable);
  const known = ofTable.get(verb) ?? `dynamodb UpdateItem ${table} ${verb}`;
  ofTable.set(verb, known);
  return known;
}

function found(items: MemoryItems, query: TableQuery): Item[] {
  if (query.index !== undefined) return inIndex(items.indexed(), query);
  const { sort = '' } = items.names;
  return inIndex(items.all(), query).sort((a, b) => (String(a[sort]) < String(b[sort]) ? -1 : 1));
}

function inIndex(items: readonly Item[], { name, value, atMost }: TableQuery): Item[] {
  const found = items.filter((item) => item[name] === value);
  if (!atMost) return found;
  const sortKey = (item: Item): number => Number(item[atMost.name] ?? Number.NaN);
  return found.filter((item) => sortKey(item) <= atMost.value).sort((a, b) => sortKey(a) - sortKey(b));
}

/** Ends a page with the item that makes it too large. */
function pageOf(
  items: readonly Item[],
  from: Cursor | undefined,
  { names, sizeOf, knobs: { pageBytes } }: MemoryItems,
  limit = Number.POSITIVE_INFINITY,
): Page {
  const first = positionAfter(items, from, names);
  const page: Item[] = [];
  let bytes = 0;
  for (const item of items.slice(first)) {
    if (page.length >= limit || bytes >= pageBytes) {
      const last = page.at(-1) ?? {};
      return { items: page, next: { id: idIn(names, last), at: first + page.length } };
    }
    page.push(item);
    bytes += sizeOf(item);
  }
  return { items: page, next: undefined };
}

/** If the last item of the page before is gone meanwhile, the next page begins with the item after it. */
function positionAfter(items: readonly Item[], from: Cursor | undefined, names: KeyNames): number {
  if (!from) return 0;
  const last = items.findIndex((item) => idIn(names, item) === from['id']);
  return last < 0 ? Math.max(0, Number(from['at']) - 1) : last + 1;
}
