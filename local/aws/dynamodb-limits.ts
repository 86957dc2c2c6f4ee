import { AwsError } from './aws-error.ts';

const MAX_EXPRESSION_BYTES = 4 * 1024;

/**
 * Refuses what dynalite accepts and DynamoDB does not: expressions of more than 4 KB, and text that is no UTF-8 (JSON
 * can escape half a character).
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
 */
export function beyondDynamoDb(body: Uint8Array): AwsError | undefined {
  const expressions: [string, string][] = [];
  let broken = false;
  try {
    JSON.parse(Buffer.from(body).toString('utf8'), (key, value: unknown) => {
      if (!key.isWellFormed() || (typeof value === 'string' && !value.isWellFormed())) broken = true;
      if (key.endsWith('Expression') && typeof value === 'string') expressions.push([key, value]);
      return value;
    });
  } catch {
    // dynalite reports this error itself.
    return undefined;
  }
  if (broken) return new AwsError('SerializationException', 'Strings must be valid UTF-8');
  const long = expressions.find(([, text]) => Buffer.byteLength(text, 'utf8') > MAX_EXPRESSION_BYTES);
  if (!long) return undefined;
  return new AwsError(
    'ValidationException',
    `Invalid ${long[0]}: Expression size has exceeded the maximum allowed size;`,
  );
}
