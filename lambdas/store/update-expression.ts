import type { Condition } from './condition.ts';
import type { Write } from './write.ts';

export interface UpdateExpression {
  UpdateExpression: string;
  ConditionExpression?: string;
  ExpressionAttributeNames: Record<string, string>;
  ExpressionAttributeValues?: Record<string, unknown>;
}

/** The write as DynamoDB's expressions. Every attribute is written `#name`, so none collides with a reserved word. */
export function updateExpression({
  set,
  setFrom = {},
  add = {},
  remove = [],
  condition,
}: Write): UpdateExpression {
  const names: Record<string, string> = {};
  const values: Record<string, unknown> = {};
  const words: Words = {
    name(name) {
      names[`#${name}`] = name;
      return `#${name}`;
    },
    value(value) {
      const word = `:v${Object.keys(values).length}`;
      values[word] = value;
      return word;
    },
  };
  const sets = [
    ...Object.entries(set).map(([name, value]) => `${words.name(name)} = ${words.value(value)}`),
    ...Object.entries(setFrom).map(
      ([name, from]) =>
        `${words.name(name)} = if_not_exists(${words.name(from.name)}, ${words.value(from.otherwise)})`,
    ),
  ];
  const adds = Object.entries(add).map(([name, value]) => `${words.name(name)} ${words.value(value)}`);
  const clauses = [clause('SET', sets), clause('REMOVE', remove.map(words.name)), clause('ADD', adds)];
  return {
    UpdateExpression: clauses.flat().join(' '),
    ...(condition ? { ConditionExpression: conditionIn(words, condition) } : {}),
    ExpressionAttributeNames: names,
    ...(Object.keys(values).length > 0 ? { ExpressionAttributeValues: values } : {}),
  };
}

/** Stores the placeholder for a name or a value, and returns it. */
interface Words {
  name(name: string): string;
  value(value: unknown): string;
}

function clause(keyword: string, parts: readonly string[]): string[] {
  return parts.length > 0 ? [`${keyword} ${parts.join(', ')}`] : [];
}

function conditionIn(words: Words, condition: Condition): string {
  // DynamoDB refuses parentheses around parentheses, so a single condition gets none.
  const several = (of: readonly Condition[], word: string) => {
    const parts = of.map((one) => conditionIn(words, one));
    return parts.length === 1 ? parts.join('') : `(${parts.join(` ${word} `)})`;
  };
  switch (condition.kind) {
    case 'exists':
      return `attribute_exists(${words.name(condition.name)})`;
    case 'absent':
      return `attribute_not_exists(${words.name(condition.name)})`;
    case 'equals':
      return `${words.name(condition.name)} = ${words.value(condition.value)}`;
    case 'atMost':
      return `${words.name(condition.name)} <= ${words.value(condition.value)}`;
    case 'atLeast':
      return `${words.name(condition.name)} >= ${words.value(condition.value)}`;
    case 'below': {
      const { name, member, value } = condition;
      return `${words.name(name)}.${words.name(member)} < ${words.value(value)}`;
    }
    case 'any':
      return several(condition.of, 'OR');
    case 'all':
      return several(condition.of, 'AND');
    default:
      throw new Error(`unhandled condition: ${JSON.stringify(condition satisfies never)}`);
  }
}
