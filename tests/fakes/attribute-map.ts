import type { AttributeMap, AttributeValue } from '../../local/aws/dynamodb-item-size.ts';

/** An item as the document client writes it: `undefined` is left out. */
export function attributeMap(item: object): AttributeMap {
  const attributes: AttributeMap = {};
  for (const [name, value] of Object.entries(item)) {
    if (value !== undefined) attributes[name] = attributeOf(value);
  }
  return attributes;
}

function attributeOf(value: unknown): AttributeValue {
  if (typeof value === 'string') return { S: value };
  if (typeof value === 'number') return { N: String(value) };
  if (typeof value === 'boolean') return { BOOL: value };
  if (Array.isArray(value)) return { L: value.map(attributeOf) };
  return typeof value === 'object' && value !== null ? { M: attributeMap(value) } : { NULL: true };
}
