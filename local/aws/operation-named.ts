/** Of a table of operations; anybody may ask for any name, so what a table inherits is not in it. */
export function operationNamed<Operation>(
  table: Readonly<Record<string, Operation>>,
  name: string,
): Operation | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}
