/**
 * CloudFormation's functions, resolved to plain values for one stack on the local platform. Only values that are read
 * are resolved, so a template may contain things that the platform does not know.
 *
 * Every name and id is made from the stack's name and the logical id, so the same template gets the same
 * names in every run.
 */
import * as v from 'valibot';
import type { LaunchTemplate } from './ec2-launch.ts';
import { attributeOf, referenceOf } from './template-names.ts';

const resourceSchema = v.looseObject({
  Type: v.string(),
  Properties: v.optional(v.record(v.string(), v.unknown()), {}),
  Condition: v.optional(v.string()),
  DeletionPolicy: v.optional(v.string()),
  Metadata: v.optional(v.record(v.string(), v.unknown()), {}),
});
const templateSchema = v.looseObject({
  Resources: v.record(v.string(), resourceSchema),
  Parameters: v.optional(
    v.record(v.string(), v.looseObject({ Type: v.string(), Default: v.optional(v.unknown()) })),
    {},
  ),
  Conditions: v.optional(v.record(v.string(), v.unknown()), {}),
  Mappings: v.optional(v.record(v.string(), v.record(v.string(), v.record(v.string(), v.unknown()))), {}),
  Outputs: v.optional(v.record(v.string(), v.looseObject({ Value: v.unknown() })), {}),
});

export type Resource = v.InferOutput<typeof resourceSchema>;
export type Template = v.InferOutput<typeof templateSchema>;

export interface StackFacts {
  stackName: string;
  region: string;
  accountId: string;
  /** Values of template parameters, by name; for `AWS::SSM::Parameter::Value` types by the default's name. */
  parameters: Record<string, string>;
  queueUrl(name: string): string;
  /** The address of the function of this name. */
  functionUrl(name: string): string;
  /** The launch templates of the stack that is updated: a change makes a further version. */
  launchTemplates?: readonly LaunchTemplate[];
}

export interface Resolver {
  template: Template;
  facts: StackFacts;
  /** @throws Error with the name of an unknown function or resource */
  resolve(value: unknown): unknown;
  /** Like `resolve`, for a value that must be text. */
  text(value: unknown, where: string): string;
}

/** The value of `Ref: AWS::NoValue`: a key with this value is removed. */
const noValue = Symbol('AWS::NoValue');

export function parseTemplate(value: unknown): Template {
  const parsed = v.safeParse(templateSchema, value);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  throw new Error(`not a CloudFormation template: ${v.getDotPath(issue) ?? 'template'}: ${issue.message}`);
}

export function createResolver(template: Template, facts: StackFacts): Resolver {
  const resolver: Resolver = {
    template,
    facts,
    resolve: (value) => {
      const resolved = resolve(value);
      return resolved === noValue ? undefined : resolved;
    },
    text(value, where) {
      const resolved = resolve(value);
      if (typeof resolved === 'string' || typeof resolved === 'number') return String(resolved);
      throw new Error(`${where} is not text`);
    },
  };

  function resolve(value: unknown): unknown {
    if (Array.isArray(value)) return value.map(resolve).filter((one) => one !== noValue);
    if (typeof value !== 'object' || value === null) return value;
    const entries = Object.entries(value);
    const [only] = entries;
    if (
      entries.length === 1 &&
      only &&
      (only[0] === 'Ref' || only[0] === 'Condition' || only[0].startsWith('Fn::'))
    ) {
      // `Condition` is also an element of policies, where its value is an object.
      if (only[0] !== 'Condition' || typeof only[1] === 'string') return call(only[0], only[1]);
    }
    return Object.fromEntries(
      entries.map(([key, inner]) => [key, resolve(inner)]).filter(([, inner]) => inner !== noValue),
    );
  }

  function call(name: string, argument: unknown): unknown {
    switch (name) {
      case 'Ref':
        return ref(String(argument));
      case 'Fn::GetAtt': {
        const path = Array.isArray(argument) ? argument.map(String) : String(argument).split('.');
        return attributeOf(resolver, path[0] ?? '', path.slice(1).join('.'));
      }
      case 'Fn::Join': {
        const [separator, parts] = pair(name, argument);
        return list(name, resolve(parts)).map(String).join(String(separator));
      }
      case 'Fn::Sub':
        return substitute(argument);
      case 'Fn::Select': {
        const [index, from] = pair(name, argument);
        return list(name, resolve(from))[Number(resolve(index))];
      }
      case 'Fn::Split': {
        const [separator, text] = pair(name, argument);
        return String(resolve(text)).split(String(separator));
      }
      case 'Fn::GetAZs':
        return ['a', 'b', 'c', 'd', 'e', 'f'].map((letter) => `${facts.region}${letter}`);
      case 'Fn::Base64':
        return Buffer.from(String(resolve(argument))).toString('base64');
      case 'Fn::FindInMap': {
        const [map, top, second] = list(name, resolve(argument)).map(String);
        return resolve(template.Mappings[map ?? '']?.[top ?? '']?.[second ?? '']);
      }
      case 'Fn::If': {
        const [condition, yes, no] = list(name, argument);
        return resolve(isTrue(String(condition)) ? yes : no);
      }
      case 'Fn::Equals': {
        const [left, right] = pair(name, argument);
        return resolve(left) === resolve(right);
      }
      case 'Fn::Not':
        return resolve(list(name, argument)[0]) !== true;
      case 'Fn::And':
        return list(name, argument).every((one) => resolve(one) === true);
      case 'Fn::Or':
        return list(name, argument).some((one) => resolve(one) === true);
      case 'Condition':
        return isTrue(String(argument));
      default:
        throw new Error(`the local platform does not know the template function ${name}`);
    }
  }

  function isTrue(condition: string): boolean {
    if (!(condition in template.Conditions)) throw new Error(`the template has no condition ${condition}`);
    return resolve(template.Conditions[condition]) === true;
  }

  function ref(name: string): unknown {
    if (name === 'AWS::NoValue') return noValue;
    const pseudo = pseudoParameter(name, facts);
    if (pseudo !== undefined) return pseudo;
    const parameter = template.Parameters[name];
    return parameter ? parameterValue(name, parameter, facts) : referenceOf(resolver, name);
  }

  function substitute(argument: unknown): string {
    const [text, variables] = Array.isArray(argument) ? argument : [argument, {}];
    const own: Record<string, unknown> =
      typeof variables === 'object' && variables !== null ? { ...variables } : {};
    return String(text).replaceAll(/\$\{([^}]+)\}/g, (_, name: string) => {
      if (name.startsWith('!')) return `\${${name.slice(1)}}`;
      if (name in own) return String(resolve(own[name]));
      return String(name.includes('.') ? call('Fn::GetAtt', name) : ref(name));
    });
  }

  return resolver;
}

function pseudoParameter(name: string, facts: StackFacts): string | undefined {
  switch (name) {
    case 'AWS::AccountId':
      return facts.accountId;
    case 'AWS::Region':
      return facts.region;
    case 'AWS::Partition':
      return 'aws';
    case 'AWS::URLSuffix':
      return 'amazonaws.com';
    case 'AWS::StackName':
      return facts.stackName;
    case 'AWS::StackId':
      return `arn:aws:cloudformation:${facts.region}:${facts.accountId}:stack/${facts.stackName}/local`;
    default:
      return undefined;
  }
}

function parameterValue(
  name: string,
  parameter: { Type: string; Default?: unknown },
  facts: StackFacts,
): unknown {
  const given = facts.parameters[name] ?? facts.parameters[String(parameter.Default)];
  if (given !== undefined) return given;
  if (parameter.Default === undefined || parameter.Type.startsWith('AWS::SSM::Parameter::Value')) {
    throw new Error(
      `the template's parameter ${name} (${parameter.Default ?? 'no default'}) has no value here`,
    );
  }
  return parameter.Default;
}

function list(name: string, value: unknown): unknown[] {
  if (!Array.isArray(value)) throw new Error(`${name} needs a list`);
  return value;
}

function pair(name: string, value: unknown): [unknown, unknown] {
  const [first, second] = list(name, value);
  return [first, second];
}
