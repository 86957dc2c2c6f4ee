/**
 * The size of an item by DynamoDB's rules, and so whether DynamoDB accepts it: names and strings in bytes of UTF-8, a
 * number one byte for two digits and one more, a list or map 3 bytes and one more for each member.
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
 */
export const MAX_ITEM_BYTES = 400 * 1024;

/** The value in its form on the wire. */
export type AttributeValue =
  | { S: string }
  | { N: string }
  | { B: string }
  | { BOOL: boolean }
  | { NULL: boolean }
  | { SS: string[] }
  | { L: AttributeValue[] }
  | { M: AttributeMap };
export type AttributeMap = { [name: string]: AttributeValue };

export function itemSize(item: AttributeMap): number {
  return Object.entries(item).reduce((sum, [name, value]) => sum + utf8(name) + valueSize(value), 0);
}

function valueSize(value: AttributeValue): number {
  if ('S' in value) return utf8(value.S);
  if ('N' in value) return numberSize(value.N);
  if ('B' in value) return Buffer.from(value.B, 'base64').byteLength;
  if ('SS' in value) return value.SS.reduce((sum, member) => sum + utf8(member), 0);
  if ('L' in value) return value.L.reduce((sum, member) => sum + 1 + valueSize(member), 3);
  if ('M' in value) return 3 + Object.keys(value.M).length + itemSize(value.M);
  return 1;
}

/** Zeros at the start and the end do not count. */
function numberSize(digits: string): number {
  const [mantissa = ''] = digits.toLowerCase().split('e');
  const significant = mantissa.replace(/[-+.]/g, '').replace(/^0+|0+$/g, '').length;
  return Math.ceil(significant / 2) + 1 + (mantissa.startsWith('-') ? 1 : 0);
}

function utf8(text: string): number {
  return Buffer.byteLength(text, 'utf8');
}
