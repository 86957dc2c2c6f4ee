import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { ControlPlaneStack } from '../../infra/control-plane-stack.ts';
import { parseSettings, placeholderSettings } from '../../infra/settings.ts';

export interface Statement {
  Sid?: string;
  Effect: string;
  Action: string | string[];
  Resource: unknown;
  Principal?: unknown;
  Condition?: Record<string, Record<string, unknown>>;
}

interface Resource {
  Type: string;
  Properties: Record<string, unknown>;
  DependsOn?: string[];
}

/** The stack as it would be deployed, without bundling the functions: nothing asked here is inside them. */
export function synthesise(settings: Record<string, string> = {}): Template {
  const app = new App({ context: { 'aws:cdk:bundling-stacks': [] } });
  return Template.fromStack(
    new ControlPlaneStack(app, 'eph-local', parseSettings({ ...placeholderSettings, ...settings })),
  );
}

export function resourcesOf(template: Template, type: string): Record<string, Resource> {
  return template.findResources(type) as Record<string, Resource>;
}

/** All statements of the policies of one role or user, found by its logical id's beginning. */
export function statementsOf(template: Template, principal: string): Statement[] {
  return Object.values(resourcesOf(template, 'AWS::IAM::Policy'))
    .filter(({ Properties: { Roles, Users } }) => JSON.stringify(Roles ?? Users).includes(`"${principal}`))
    .flatMap(({ Properties }) => (Properties['PolicyDocument'] as { Statement: Statement[] }).Statement);
}

export function actionsOf(statements: Statement[]): string[] {
  return statements.flatMap(({ Action }) => Action).sort();
}

/** A resource of a policy as text, with what is only known at deploy as `<Queue.Arn>`. */
export function readable(value: unknown): string {
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) return value.map(readable).join(', ');
  const [[name, argument] = []] = Object.entries(value as Record<string, unknown>);
  if (name === 'Ref') return `<${argument}>`;
  if (name === 'Fn::GetAtt') return `<${(argument as string[]).join('.')}>`;
  if (name === 'Fn::Join') return ((argument as [string, unknown[]])[1] ?? []).map(readable).join('');
  throw new Error(`no text for ${JSON.stringify(value)}`);
}
