import { EphError } from '#core/failure';
import type { Item } from '../../lambdas/store/table.ts';
import { MAX_ITEM_BYTES } from '../../local/aws/dynamodb-item-size.ts';

/**
 * Values as a table keeps them: frozen all the way down, without `undefined`, in UTF-8 and no larger than
 * DynamoDB takes. What was stored before is not looked at again, and most of a row is the same at each write.
 *
 * Gotcha: a value without `undefined` is not copied, so it is the writer's own that is frozen: who changes it later
 * is told so, where DynamoDB would keep what was written.
 */
const sizes = new WeakMap<object, number>();

/** @throws as DynamoDB does, for what it would refuse */
export function storedItem(item: Item): Item {
  const kept: Record<string, unknown> = {};
  for (const name in item) {
    if (item[name] !== undefined) kept[name] = stored(item[name]);
  }
  if (storedSize(kept) > MAX_ITEM_BYTES) {
    throw dynamoError('ValidationException', 'Item size to update has exceeded the maximum allowed size');
  }
  return Object.freeze(kept);
}

export function storedSize(item: Item): number {
  const known = sizes.get(item);
  if (known !== undefined) return known;
  let size = 0;
  for (const name in item) size += byteLength(name) + sizeOf(item[name]);
  sizes.set(item, size);
  return size;
}

function stored(value: unknown): unknown {
  if (typeof value === 'string' && !value.isWellFormed()) {
    throw dynamoError('SerializationException', 'Strings must be valid UTF-8');
  }
  if (typeof value !== 'object' || value === null || sizes.has(value)) return value;
  const kept = Array.isArray(value) ? storedMembers(value) : storedAttributes(value);
  return Object.freeze(kept);
}

/** 3 bytes and one for each member: `local/aws/dynamodb-item-size.ts`. */
function storedMembers(value: readonly unknown[]): readonly unknown[] {
  let size = 3;
  const members = value.map((member) => {
    const kept = stored(member);
    size += 1 + sizeOf(kept);
    return kept;
  });
  const kept = members.every((member, index) => member === value[index]) ? value : members;
  sizes.set(kept, size);
  return kept;
}

function storedAttributes(value: object): object {
  let size = 3;
  let same = true;
  const attributes: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(value)) {
    const kept = stored(member);
    same &&= kept === member && kept !== undefined;
    if (kept === undefined) continue;
    attributes[name] = kept;
    size += 1 + byteLength(name) + sizeOf(kept);
  }
  const kept = same ? value : attributes;
  sizes.set(kept, size);
  return kept;
}

function sizeOf(value: unknown): number {
  if (typeof value === 'string') return byteLength(value);
  if (typeof value === 'object' && value !== null) return sizes.get(value) ?? 0;
  return typeof value === 'number' ? 1 + Math.ceil(String(value).length / 2) : 1;
}

const byteLength = (text: string): number => Buffer.byteLength(text);

/** As `lambdas/adapters/aws-errors.ts` has it of the real table. */
function dynamoError(name: string, message: string): EphError {
  const cause = Object.assign(new Error(message), { name });
  return new EphError('transient', name, 'DynamoDB did not answer as expected.', { cause });
}
