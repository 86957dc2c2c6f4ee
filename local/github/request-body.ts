/**
 * Reads a JSON body that has already been checked against the description: a field of another type counts as missing.
 */
export interface RequestBody {
  has(name: string): boolean;
  text(name: string): string | undefined;
  flag(name: string): boolean | undefined;
  number(name: string): number | undefined;
  list(name: string): unknown[] | undefined;
  texts(name: string): string[] | undefined;
  object(name: string): Record<string, unknown> | undefined;
  raw: unknown;
}

export function readRequestBody(raw: unknown): RequestBody {
  const fields: Record<string, unknown> = isObject(raw) ? raw : {};
  const list = (name: string) => (Array.isArray(fields[name]) ? (fields[name] as unknown[]) : undefined);
  return {
    raw,
    has: (name) => name in fields,
    text: (name) => (typeof fields[name] === 'string' ? fields[name] : undefined),
    flag: (name) => (typeof fields[name] === 'boolean' ? fields[name] : undefined),
    number: (name) => (typeof fields[name] === 'number' ? fields[name] : undefined),
    list,
    texts: (name) => list(name)?.filter((one) => typeof one === 'string'),
    object: (name) => (isObject(fields[name]) ? fields[name] : undefined),
  };
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
