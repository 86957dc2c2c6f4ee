/**
 * Searches for words in all that a value contains. A part that was searched before is not searched again, because
 * a row shares most of its parts with its last version.
 */
export function createTextFinder(words: RegExp): (value: unknown) => string | undefined {
  const clean = new Set<object>();
  const find = (value: unknown): string | undefined => {
    if (typeof value === 'string') return words.exec(value)?.[0];
    if (typeof value !== 'object' || value === null || clean.has(value)) return undefined;
    // This is also for arrays, of which `Object.values` would make a copy.
    for (const name in value) {
      const found = find(Reflect.get(value, name));
      if (found !== undefined) return found;
    }
    clean.add(value);
    return undefined;
  };
  return find;
}
