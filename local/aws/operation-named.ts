/** Finds an operation in a table. A caller may send any name, so properties that the table inherits do not count. */
export function operationNamed<Operation>(
  table: Readonly<Record<string, Operation>>,
  name: string,
): Operation | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}
