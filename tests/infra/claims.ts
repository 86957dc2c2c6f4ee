import type { Template } from 'aws-cdk-lib/assertions';
import type { PolicyDocument } from '../../infra/deploy/deployer-policy.ts';
import type { Claim } from './authorization-faults.ts';
import { ANY, PART } from './overlap.ts';
import { specificationOf } from './resource-specification.ts';

type Resources = Record<string, { Type: string; Properties?: Record<string, unknown> }>;

interface AnyStatement {
  Sid?: string;
  Action: string | string[];
  Resource?: unknown;
  Condition?: Record<string, Record<string, unknown>>;
}

/** Every statement of the stack, whatever its policy is attached to, and Lambda's permissions. */
export function claimsOfTemplate(template: Template): Claim[] {
  const resources: Resources = template.toJSON()['Resources'];
  return Object.entries(resources).flatMap(([id, { Type, Properties = {} }]) => [
    ...statementsIn(Properties).map((statement) => claimOf(id, statement, resources)),
    ...(Type === 'AWS::Lambda::Permission'
      ? [{ name: id, actions: [String(Properties['Action'])], resources: [], conditionKeys: [] }]
      : []),
  ]);
}

export function claimsOfPolicy({ Statement }: PolicyDocument): Claim[] {
  return Statement.map((statement) => claimOf('deployer', statement, {}));
}

/** Finds statements at any depth: policies of users and roles, trust, and those of buckets, queues, topics and keys. */
function statementsIn(value: unknown): AnyStatement[] {
  if (typeof value !== 'object' || value === null) return [];
  if ('Statement' in value && Array.isArray(value.Statement)) return value.Statement;
  return Object.values(value).flatMap(statementsIn);
}

function claimOf(id: string, statement: AnyStatement, resources: Resources): Claim {
  return {
    name: `${id} ${statement.Sid ?? ''}`.trim(),
    actions: [statement.Action].flat(),
    resources: [statement.Resource ?? []].flat().map((one) => patternOf(one, resources)),
    conditionKeys: Object.values(statement.Condition ?? {}).flatMap((operands) => Object.keys(operands)),
  };
}

/** A value that is known only at deploy counts as a name, unless it is the ARN of something in the template. */
function patternOf(value: unknown, resources: Resources): string {
  if (typeof value === 'string') return value.replaceAll(/\$\{[^}]+\}/g, PART);
  const [[name, argument] = []] = Object.entries(value as Record<string, unknown>);
  switch (name) {
    case 'Fn::Join':
      return (argument as [string, unknown[]])[1].map((part) => patternOf(part, resources)).join('');
    case 'Fn::GetAtt': {
      const [id = '', attribute] = argument as string[];
      return attribute === 'Arn' ? arnOf(id, resources) : PART;
    }
    case 'Ref':
      return resources[String(argument)]?.Type === 'AWS::SNS::Topic'
        ? arnOf(String(argument), resources)
        : PART;
    default:
      throw new Error(`no pattern for ${JSON.stringify(value)}`);
  }
}

function arnOf(id: string, resources: Resources): string {
  const type = resources[id]?.Type ?? '';
  const arn = specificationOf(type)?.arnTemplate;
  if (!arn) throw new Error(`no ARN is known for ${id} (${type})`);
  // The ARN that CloudFormation returns for a log group means its streams.
  return arn.replaceAll(/\$\{\w+\}/g, PART) + (type === 'AWS::Logs::LogGroup' ? `:${ANY}` : '');
}
