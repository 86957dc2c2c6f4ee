/**
 * When a write may be made, as data. The expression for DynamoDB and the behaviour of the tests' table are made from
 * the same tree, so a condition that somebody removes is missing in both.
 */
export type Condition =
  | { kind: 'exists'; name: string }
  | { kind: 'absent'; name: string }
  | { kind: 'equals'; name: string; value: string | number }
  | { kind: 'atMost'; name: string; value: number }
  | { kind: 'atLeast'; name: string; value: number }
  /** Compares a member of an attribute that is a map. */
  | { kind: 'below'; name: string; member: string; value: string }
  | { kind: 'any'; of: readonly Condition[] }
  | { kind: 'all'; of: readonly Condition[] };

export const exists = (name: string): Condition => ({ kind: 'exists', name });
export const absent = (name: string): Condition => ({ kind: 'absent', name });
export const equals = (name: string, value: string | number): Condition => ({ kind: 'equals', name, value });
export const atMost = (name: string, value: number): Condition => ({ kind: 'atMost', name, value });
export const atLeast = (name: string, value: number): Condition => ({ kind: 'atLeast', name, value });
export const below = (name: string, member: string, value: string): Condition => ({
  kind: 'below',
  name,
  member,
  value,
});
export const any = (...of: Condition[]): Condition => ({ kind: 'any', of });
export const all = (...of: Condition[]): Condition => ({ kind: 'all', of });
