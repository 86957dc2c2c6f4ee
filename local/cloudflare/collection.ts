import { CloudflareError } from './cloudflare-error.ts';

export interface PageQuery {
  page?: string | undefined;
  per_page?: string | undefined;
}

export interface ResultPage<T> {
  items: T[];
  info: { count: number; page: number; per_page: number; total_count: number; total_pages: number };
}

/** Cloudflare's page numbers: from 1; a page beyond the last one is empty, not an error. */
export function pageOf<T>(
  all: readonly T[],
  query: PageQuery,
  defaultSize: number,
  maxSize: number,
): ResultPage<T> {
  const page = positive(query.page, 1, 'page');
  const size = Math.min(positive(query.per_page, defaultSize, 'per_page'), maxSize);
  const items = all.slice((page - 1) * size, page * size);
  return {
    items,
    info: {
      count: items.length,
      page,
      per_page: size,
      total_count: all.length,
      total_pages: Math.ceil(all.length / size),
    },
  };
}

function positive(text: string | undefined, fallback: number, name: string): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1) return value;
  throw new CloudflareError(400, 1004, `${name} must be a whole number from 1, not ${text}`);
}

export interface Collection<T extends { id: string }> {
  add(item: T): T;
  find(id: string): T | undefined;
  /** Throws the vendor's "not found". */
  get(id: string): T;
  remove(id: string): T;
  /** In order of creation. */
  all(): T[];
}

export function createCollection<T extends { id: string }>(missing: () => CloudflareError): Collection<T> {
  const items = new Map<string, T>();
  const get = (id: string): T => {
    const item = items.get(id);
    if (!item) throw missing();
    return item;
  };
  return {
    add(item) {
      items.set(item.id, item);
      return item;
    },
    find: (id) => items.get(id),
    get,
    remove(id) {
      const item = get(id);
      items.delete(id);
      return item;
    },
    all: () => [...items.values()],
  };
}
