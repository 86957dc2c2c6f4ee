import { markedKey } from '../marked-key.ts';

/**
 * An environment's key as the value of a tag. `#` is not among the characters that every service of AWS accepts there
 * (letters, digits, spaces and `_.:/=+-@`), and no `/` can follow a repository's number in a key.
 * https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html
 */
export function environmentTag(environment: string): string {
  return markedKey(environment).replace('#', '/');
}

export function fromEnvironmentTag(value: string): string {
  return value.replace(/^((?:[a-z]+:)?\d+)\//, '$1#');
}
