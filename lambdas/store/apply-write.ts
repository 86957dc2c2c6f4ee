import type { Condition } from './condition.ts';
import { itemKey, type KeyNames } from './item-key.ts';
import type { Item } from './table.ts';
import type { Write } from './write.ts';

/**
 * Applies a write as DynamoDB does: returns the item afterwards, or undefined if the condition does not hold. An
 * attribute that is removed becomes `undefined`: V8 makes an object slow that has lost a member.
 */
export function applyWrite(before: Item | undefined, write: Write, names: KeyNames): Item | undefined {
  const { set, setFrom = {}, add = {}, remove = [], condition } = write;
  // A condition reads only the item: if there is no item, every attribute is absent.
  const item = before ?? {};
  if (condition && !holds(item, condition)) return undefined;
  const computed: Record<string, unknown> = {};
  for (const [name, from] of Object.entries(setFrom)) computed[name] = item[from.name] ?? from.otherwise;
  for (const [name, value] of Object.entries(add)) computed[name] = numberOf(item[name]) + value;
  for (const name of remove) if (name in item || name in set) computed[name] = undefined;
  return { ...item, ...itemKey(names, write), ...set, ...computed };
}

export function holds(item: Item, condition: Condition): boolean {
  switch (condition.kind) {
    case 'exists':
      return item[condition.name] !== undefined;
    case 'absent':
      return item[condition.name] === undefined;
    case 'equals':
      return item[condition.name] === condition.value;
    case 'atMost': {
      const value = item[condition.name];
      return typeof value === 'number' && value <= condition.value;
    }
    case 'atLeast': {
      const value = item[condition.name];
      return typeof value === 'number' && value >= condition.value;
    }
    case 'below': {
      const value = memberOf(item[condition.name], condition.member);
      return typeof value === 'string' && value < condition.value;
    }
    case 'any':
      return condition.of.some((one) => holds(item, one));
    case 'all':
      return condition.of.every((one) => holds(item, one));
    default:
      throw new Error(`unhandled condition: ${JSON.stringify(condition satisfies never)}`);
  }
}

function memberOf(value: unknown, member: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, member) : undefined;
}

/** ADD begins at zero. */
function numberOf(value: unknown): number {
  if (value === undefined) return 0;
  if (typeof value === 'number') return value;
  throw new Error('An operand in the update expression has an incorrect data type');
}
