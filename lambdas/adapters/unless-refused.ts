import { ConditionalCheckFailedException } from '@aws-sdk/client-dynamodb';

/** Undefined: the condition does not hold for the row. */
export async function unlessRefused<T>(write: Promise<T>): Promise<T | undefined> {
  try {
    return await write;
  } catch (error) {
    if (error instanceof ConditionalCheckFailedException) return undefined;
    throw error;
  }
}
