/** Whether a wanted value is missing or different; further values that exist do not count. */
export function differs(there: unknown, wanted: unknown): boolean {
  if (Array.isArray(wanted)) {
    return (
      !Array.isArray(there) ||
      there.length !== wanted.length ||
      wanted.some((item, index) => differs(there[index], item))
    );
  }
  if (typeof wanted !== 'object' || wanted === null) return there !== wanted;
  if (typeof there !== 'object' || there === null) return true;
  const values = new Map(Object.entries(there));
  return Object.entries(wanted).some(([name, value]) => differs(values.get(name), value));
}
