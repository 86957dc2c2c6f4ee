import { EphError } from '#core/failure';
import type { Item } from '../../lambdas/store/table.ts';
import { MAX_ITEM_BYTES } from '../../local/aws/dynamodb-item-size.ts';

type Attributes = Readonly<Record<string, unknown>>;

/** Values as one table keeps them. */
export interface StoredValues {
  /** @throws the error of DynamoDB, for what DynamoDB would refuse */
  itemOf(item: Item): Item;
  sizeOf(item: Item): number;
}

/**
 * A value that is frozen with all that is in it, without `undefined`, in UTF-8 and no larger than DynamoDB takes. What
 * was stored before is not checked again, because most of a row is the same at each write.
 *
 * Gotchas
 * - A value without `undefined` is not copied, so the writer's own value is frozen: a later change of it throws, where
 *   DynamoDB would keep what was written.
 * - Stored values are kept for as long as the table is: a `WeakMap` of all tables costs several times more.
 */
export function createStoredValues(): StoredValues {
  const sizes = new Map<unknown, number>();

  function itemOf(item: Item): Item {
    const changed: Record<string, unknown> = {};
    let isSame = true;
    for (const name in item) {
      const kept = stored(item[name]);
      if (kept === item[name]) continue;
      changed[name] = kept;
      isSame = false;
    }
    const kept = isSame ? item : { ...item, ...changed };
    if (sizeOfItem(kept) > MAX_ITEM_BYTES) {
      throw dynamoError('ValidationException', 'Item size to update has exceeded the maximum allowed size');
    }
    return Object.freeze(kept);
  }

  /** An attribute that is `undefined` is not there. */
  function sizeOfItem(item: Item): number {
    const known = sizes.get(item);
    if (known !== undefined) return known;
    let size = 0;
    for (const name in item) if (item[name] !== undefined) size += nameSize(name) + sizeOf(item[name]);
    sizes.set(item, size);
    return size;
  }

  function stored(value: unknown): unknown {
    if (typeof value === 'string' && !value.isWellFormed()) {
      throw dynamoError('SerializationException', 'Strings must be valid UTF-8');
    }
    if (!isObject(value) || sizes.has(value)) return value;
    const kept = Array.isArray(value) ? storedMembers(value) : storedAttributes(value);
    return Object.freeze(kept);
  }

  /** A list or map has 3 bytes and one for each member: `local/aws/dynamodb-item-size.ts`. */
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

  function storedAttributes(value: Attributes): Attributes {
    let size = 3;
    let isSame = true;
    const changed: Record<string, unknown> = {};
    for (const name in value) {
      const member = value[name];
      const kept = stored(member);
      if (kept !== member || kept === undefined) {
        changed[name] = kept;
        isSame = false;
      }
      if (kept !== undefined) size += 1 + nameSize(name) + sizeOf(kept);
    }
    const kept = isSame ? value : withoutUndefined({ ...value, ...changed });
    sizes.set(kept, size);
    return kept;
  }

  function sizeOf(value: unknown): number {
    if (typeof value === 'string') return Buffer.byteLength(value);
    if (isObject(value)) return sizes.get(value) ?? 0;
    return typeof value === 'number' ? 1 + Math.ceil(lengthOf(value) / 2) : 1;
  }

  return { itemOf, sizeOf: sizeOfItem };
}

function isObject(value: unknown): value is Attributes {
  return typeof value === 'object' && value !== null;
}

function withoutUndefined(value: Attributes): Attributes {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined));
}

/** The size of the number in decimal. */
function lengthOf(value: number): number {
  if (!Number.isSafeInteger(value) || value < 0) return String(value).length;
  let length = 1;
  for (let above = 10; above <= value; above *= 10) length += 1;
  return length;
}

const nameSizes = new Map<string, number>();

/** The sizes are kept, because there are few names, and each is in every write. */
function nameSize(name: string): number {
  const known = nameSizes.get(name) ?? Buffer.byteLength(name);
  nameSizes.set(name, known);
  return known;
}

/** The error that `lambdas/adapters/aws-errors.ts` makes for the real table. */
function dynamoError(name: string, message: string): EphError {
  const cause = Object.assign(new Error(message), { name });
  return new EphError('transient', name, 'DynamoDB did not answer as expected.', { cause });
}
