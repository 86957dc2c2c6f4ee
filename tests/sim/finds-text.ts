/**
 * Looks for words in all that a value holds. What was looked through before is not looked through again: a row
 * shares most of itself with what it was.
 */
export function createTextFinder(words: RegExp): (value: unknown) => string | undefined {
  const clean = new Set<object>();
  const find = (value: unknown): string | undefined => {
    if (typeof value === 'string') return words.exec(value)?.[0];
    if (typeof value !== 'object' || value === null || clean.has(value)) return undefined;
    // Also of an array: `Object.values` would make another one of each.
    for (const name in value) {
      const found = find(Reflect.get(value, name));
      if (found !== undefined) return found;
    }
    clean.add(value);
    return undefined;
  };
  return find;
}
