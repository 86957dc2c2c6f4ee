import { asAwsError } from '../../lambdas/adapters/aws-errors.ts';
import type { Item } from '../../lambdas/store/table.ts';
import { MAX_ITEM_BYTES } from '../../local/aws/dynamodb-item-size.ts';

/**
 * Values as a table keeps them: frozen all the way down, without `undefined`, in UTF-8 and no larger than
 * DynamoDB takes. What was stored before is not looked at again, and most of a row is the same at each write.
 */
const sizes = new WeakMap<object, number>();

/** @throws as DynamoDB does, for what it would refuse */
export function storedItem(item: Item): Item {
  const kept: Record<string, unknown> = {};
  let size = 0;
  for (const [name, value] of Object.entries(item)) {
    if (value === undefined) continue;
    kept[name] = stored(value);
    size += Buffer.byteLength(name) + sizeOf(kept[name]);
  }
  if (size > MAX_ITEM_BYTES) {
    throw dynamoError('ValidationException', 'Item size to update has exceeded the maximum allowed size');
  }
  return Object.freeze(kept);
}

export function storedSize(item: Item): number {
  return Object.entries(item).reduce(
    (sum, [name, value]) => sum + Buffer.byteLength(name) + sizeOf(value),
    0,
  );
}

function stored(value: unknown): unknown {
  if (typeof value === 'string' && !value.isWellFormed()) {
    throw dynamoError('SerializationException', 'Strings must be valid UTF-8');
  }
  if (typeof value !== 'object' || value === null || sizes.has(value)) return value;
  const kept = Array.isArray(value) ? value.map(stored) : storedMembers(value);
  sizes.set(kept, membersSize(kept));
  return Object.freeze(kept);
}

function storedMembers(value: object): object {
  const kept: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(value)) {
    if (member !== undefined) kept[name] = stored(member);
  }
  return kept;
}

function sizeOf(value: unknown): number {
  if (typeof value === 'string') return Buffer.byteLength(value);
  if (typeof value === 'object' && value !== null) return sizes.get(value) ?? 0;
  return typeof value === 'number' ? 1 + Math.ceil(String(value).length / 2) : 1;
}

/** 3 bytes and one for each member: `local/aws/dynamodb-item-size.ts`. */
function membersSize(value: object): number {
  if (Array.isArray(value)) return value.reduce((sum, member) => sum + 1 + sizeOf(member), 3);
  return Object.entries(value).reduce(
    (sum, [name, member]) => sum + 1 + Buffer.byteLength(name) + sizeOf(member),
    3,
  );
}

function dynamoError(name: string, message: string): unknown {
  return asAwsError('DynamoDB', Object.assign(new Error(message), { name }));
}
