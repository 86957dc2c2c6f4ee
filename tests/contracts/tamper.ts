import type { WireEntry } from '../../local/wire-log.ts';

export interface Tampered {
  altered: WireEntry;
  /** The change, with its JSON pointer. */
  how: string;
}

/** The entry once for each value and each name in this body, with that one changed, which the check must find. */
export function tamper(entry: WireEntry, side: 'request' | 'reply'): Tampered[] {
  return variants(entry[side], '').map(({ value, how }) => ({ altered: { ...entry, [side]: value }, how }));
}

function variants(value: unknown, at: string): { value: unknown; how: string }[] {
  if (value === null) return [];
  return [{ value: otherType(value), how: `${at} has another type` }, ...innerVariants(value, at)];
}

function innerVariants(value: unknown, at: string): { value: unknown; how: string }[] {
  if (Array.isArray(value)) {
    return value.flatMap((item, index) =>
      variants(item, `${at}/${index}`).map((one) => ({ ...one, value: value.with(index, one.value) })),
    );
  }
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => [
    ...variants(inner, `${at}/${key}`).map((one) => ({ ...one, value: { ...value, [key]: one.value } })),
    { value: renamed(value, key), how: `${at}/${key} is misspelt` },
  ]);
}

function otherType(value: unknown): unknown {
  return typeof value === 'string' ? 7 : typeof value === 'number' ? 'seven' : 'perhaps';
}

function renamed(value: object, key: string): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name === key ? `${key}x` : name, inner]),
  );
}
