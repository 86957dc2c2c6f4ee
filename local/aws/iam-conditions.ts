/** Conditions of IAM policies. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html */

export type Context = Record<string, string | string[]>;

export interface Condition {
  operator: string;
  key: string;
  values: string[];
}

type Test = (actual: string, wanted: string) => boolean;

interface Operator {
  test: Test;
  /** `StringNotEquals` and similar operators: true unless one of the values matches. */
  negated: boolean;
}

const equals: Test = (actual, wanted) => actual === literal(wanted);
const equalsIgnoringCase: Test = (actual, wanted) => actual.toLowerCase() === literal(wanted).toLowerCase();
const like: Test = (actual, wanted) => matchesWildcard(wanted, actual);
const numeric =
  (compare: (actual: number, wanted: number) => boolean): Test =>
  (actual, wanted) =>
    compare(Number(actual), Number(wanted));

const operators: Record<string, Operator> = {
  StringEquals: { test: equals, negated: false },
  StringNotEquals: { test: equals, negated: true },
  StringEqualsIgnoreCase: { test: equalsIgnoringCase, negated: false },
  StringNotEqualsIgnoreCase: { test: equalsIgnoringCase, negated: true },
  StringLike: { test: like, negated: false },
  StringNotLike: { test: like, negated: true },
  ArnEquals: { test: like, negated: false },
  ArnLike: { test: like, negated: false },
  ArnNotEquals: { test: like, negated: true },
  ArnNotLike: { test: like, negated: true },
  Bool: { test: equalsIgnoringCase, negated: false },
  NumericEquals: { test: numeric((a, b) => a === b), negated: false },
  NumericLessThan: { test: numeric((a, b) => a < b), negated: false },
  NumericLessThanEquals: { test: numeric((a, b) => a <= b), negated: false },
  NumericGreaterThan: { test: numeric((a, b) => a > b), negated: false },
  NumericGreaterThanEquals: { test: numeric((a, b) => a >= b), negated: false },
};

/** The condition keys that the receiver knows; a policy with any other key is refused when it is read. */
const conditionKeys: readonly RegExp[] = [
  /^aws:(requesttag|resourcetag|principaltag)\/.+$/,
  /^aws:(tagkeys|userid|username|principalarn|principalaccount|principaltype|requestedregion|securetransport)$/,
  /^aws:(sourceaccount|sourcearn|resourceaccount|currenttime)$/,
  /^ec2:(createaction|instancetype|region|subnet|vpc|launchtemplate|islaunchtemplateresource|availabilityzone)$/,
  /^ec2:(metadatahttptokens|instanceprofile|owner)$/,
  /^(ec2|ssm):resourcetag\/.+$/,
  /^dynamodb:(leadingkeys|attributes|select|returnvalues)$/,
  /^s3:(prefix|delimiter|max-keys|resourceaccount|x-amz-server-side-encryption)$/,
  /^iam:(passedtoservice|associatedresourcearn)$/,
];

export function knownConditionKey(key: string): boolean {
  return conditionKeys.some((pattern) => pattern.test(key.toLowerCase()));
}

export function knownOperator(name: string): boolean {
  const { base } = splitOperator(name);
  return base === 'Null' || base in operators;
}

function splitOperator(name: string) {
  const [, set, base, ifExists] =
    /^(?:(ForAnyValue|ForAllValues):)?([A-Za-z]+?)(IfExists)?$/.exec(name) ?? [];
  return { set, base: base ?? '', ifExists: ifExists !== undefined };
}

export function evaluateCondition(condition: Condition, context: Context): boolean {
  const { set, base, ifExists } = splitOperator(condition.operator);
  const found = lookUp(context, condition.key);
  if (base === 'Null') return condition.values.includes(String(found === undefined));
  const operator = operators[base];
  if (!operator) throw new Error(`condition operator ${condition.operator} was let through unread`);
  const actual = found === undefined ? [] : [found].flat();
  const one = (value: string) => {
    const matches = condition.values.some((wanted) => operator.test(value, wanted));
    return matches !== operator.negated;
  };
  if (actual.length === 0) {
    if (ifExists || set === 'ForAllValues') return true;
    // A missing key satisfies "not equals" (and only that): IAM's own rule.
    return set === undefined && operator.negated;
  }
  return set === 'ForAnyValue' ? actual.some(one) : actual.every(one);
}

function literal(text: string): string {
  return text.replaceAll(/\\([*?\\])/g, '$1');
}

/** Names of condition keys are not case-sensitive, names of tags inside them are. */
export function lookUp(context: Context, key: string): string | string[] | undefined {
  if (key in context) return context[key];
  const fold = (name: string) => {
    const slash = name.indexOf('/');
    return slash < 0 ? name.toLowerCase() : name.slice(0, slash).toLowerCase() + name.slice(slash);
  };
  return Object.entries(context).find(([name]) => fold(name) === fold(key))?.[1];
}

/** `*` any characters, `?` one character, `\` takes the next one literally; whole text, case-sensitive. */
export function matchesWildcard(pattern: string, text: string): boolean {
  const source = pattern.replaceAll(/\\[\s\S]|[*?]|[^*?\\]+|\\/g, (part) => {
    if (part === '*') return '[\\s\\S]*';
    if (part === '?') return '[\\s\\S]';
    const literal = part.length > 1 && part.startsWith('\\') ? part.slice(1) : part;
    return literal.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
  });
  return new RegExp(`^${source}$`).test(text);
}
