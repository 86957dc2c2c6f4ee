/**
 * IAM policy evaluation as a pure function from statements to allowed or not.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
 *
 * It is strict: an element, operator or condition key that it does not know is refused when the policy is read
 * (`UnsupportedPolicy`), because guessing would either hide a missing grant or invent one.
 */
import * as v from 'valibot';
import {
  type Condition,
  type Context,
  evaluateCondition,
  knownConditionKey,
  knownOperator,
  lookUp,
  matchesWildcard,
} from './iam-conditions.ts';

export type { Context };

export interface Statement {
  sid: string | undefined;
  effect: 'Allow' | 'Deny';
  principal: unknown;
  actions: { match: 'in' | 'not in'; patterns: string[] };
  resources: { match: 'in' | 'not in'; patterns: string[] };
  conditions: Condition[];
}

export interface AccessRequest {
  /** `service:Operation`. */
  action: string;
  /** ARN, or `*` for actions without resource-level permissions. */
  resource: string;
  context: Context;
}

export type Decision = 'allow' | 'implicit deny' | 'explicit deny';

class UnsupportedPolicy extends Error {
  override name = 'UnsupportedPolicy';
}

const oneOrMore = v.pipe(
  v.union([v.string(), v.array(v.string())]),
  v.transform((value) => (Array.isArray(value) ? value : [value])),
);
const conditionValues = v.pipe(
  v.union([v.string(), v.boolean(), v.number(), v.array(v.union([v.string(), v.boolean(), v.number()]))]),
  v.transform((value) => (Array.isArray(value) ? value : [value]).map(String)),
);
const statementSchema = v.strictObject({
  Sid: v.optional(v.string()),
  Effect: v.picklist(['Allow', 'Deny']),
  Principal: v.optional(v.unknown()),
  Action: v.optional(oneOrMore),
  NotAction: v.optional(oneOrMore),
  Resource: v.optional(oneOrMore),
  NotResource: v.optional(oneOrMore),
  Condition: v.optional(v.record(v.string(), v.record(v.string(), conditionValues))),
});
const policySchema = v.looseObject({
  Version: v.optional(v.string()),
  Statement: v.pipe(
    v.union([statementSchema, v.array(statementSchema)]),
    v.transform((value) => (Array.isArray(value) ? value : [value])),
  ),
});

/**
 * @param where the policy and the resource, for error messages
 * @throws UnsupportedPolicy for anything that it does not know
 */
export function parsePolicy(document: unknown, where: string): Statement[] {
  const parsed = v.safeParse(policySchema, document);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw new UnsupportedPolicy(`${where}: ${v.getDotPath(issue) ?? 'policy'}: ${issue.message}`);
  }
  return parsed.output.Statement.map((statement) => {
    const conditions = Object.entries(statement.Condition ?? {}).flatMap(([operator, keys]) =>
      Object.entries(keys).map(([key, values]) => ({ operator, key, values })),
    );
    for (const { operator, key } of conditions) {
      if (!knownOperator(operator)) {
        throw new UnsupportedPolicy(
          `${where}: the local platform does not know the condition operator ${operator}`,
        );
      }
      if (!knownConditionKey(key)) {
        throw new UnsupportedPolicy(`${where}: the local platform does not know the condition key ${key}`);
      }
    }
    return {
      sid: statement.Sid,
      effect: statement.Effect,
      principal: statement.Principal,
      actions: inOrNot(statement.Action, statement.NotAction, `${where}: Action`),
      resources: inOrNot(statement.Resource, statement.NotResource, `${where}: Resource`),
      conditions,
    };
  });
}

function inOrNot(
  wanted: string[] | undefined,
  unwanted: string[] | undefined,
  where: string,
): Statement['actions'] {
  if (wanted) return { match: 'in', patterns: wanted };
  if (unwanted) return { match: 'not in', patterns: unwanted };
  throw new UnsupportedPolicy(`${where} is missing`);
}

/** An explicit deny wins over every allow; without an allow the answer is no. */
export function evaluate(statements: readonly Statement[], request: AccessRequest): Decision {
  const matching = statements.filter((statement) => applies(statement, request));
  if (matching.some((statement) => statement.effect === 'Deny')) return 'explicit deny';
  return matching.length > 0 ? 'allow' : 'implicit deny';
}

function applies(statement: Statement, request: AccessRequest): boolean {
  const actionNamed = statement.actions.patterns.some((pattern) =>
    matchesWildcard(pattern.toLowerCase(), request.action.toLowerCase()),
  );
  if (actionNamed !== (statement.actions.match === 'in')) return false;
  const resourceNamed = statement.resources.patterns.some((pattern) => {
    const expanded = expandVariables(pattern, request.context);
    return expanded !== undefined && matchesWildcard(expanded, request.resource);
  });
  if (resourceNamed !== (statement.resources.match === 'in')) return false;
  return statement.conditions.every((condition) => {
    const values = condition.values
      .map((value) => expandVariables(value, request.context))
      .filter((value) => value !== undefined);
    return evaluateCondition({ ...condition, values }, request.context);
  });
}

/**
 * The value of `${aws:userid}` and similar variables; undefined if the request has no such value, so that the pattern
 * matches nothing. A `*` in the value is no wildcard: it is escaped here and unescaped by `matchesWildcard`.
 */
function expandVariables(pattern: string, context: Context): string | undefined {
  let complete = true;
  const expanded = pattern.replaceAll(/\$\{([^}]+)\}/g, (_, name: string) => {
    if (name === '*' || name === '?') return `\\${name}`;
    if (name === '$') return '$';
    const value = lookUp(context, name);
    if (typeof value !== 'string') complete = false;
    return String(value).replaceAll(/[*?\\]/g, '\\$&');
  });
  return complete ? expanded : undefined;
}
