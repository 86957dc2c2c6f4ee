import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { App, Validations } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { AwsSolutionsChecks } from 'cdk-nag';
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

export interface Synthesis {
  template: Template;
  /** What cdk-nag's AwsSolutions rules leave open: rule and construct. */
  findings: string[];
}

const synthesised = new Map<string, Synthesis>();

/** The stack as it would be deployed, without bundling the functions: nothing asked here is inside them. */
export function synthesise(settings: Record<string, string> = {}): Template {
  return synthesiseChecked(settings).template;
}

/** With cdk-nag's report. The same settings are synthesised once per process. */
export function synthesiseChecked(settings: Record<string, string>): Synthesis {
  const key = JSON.stringify(settings);
  const known = synthesised.get(key) ?? synthesiseOnce(settings);
  synthesised.set(key, known);
  return known;
}

function synthesiseOnce(settings: Record<string, string>): Synthesis {
  const app = new App({ context: { 'aws:cdk:bundling-stacks': [] } });
  const stack = new ControlPlaneStack(
    app,
    'eph-local',
    parseSettings({ ...placeholderSettings, ...settings }),
  );
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  const { directory } = app.synth();
  const report: Report = JSON.parse(readFileSync(join(directory, 'validation-report.json'), 'utf8'));
  const findings = report.pluginReports.flatMap(({ violations }) =>
    violations.map((one) => `${one.ruleName} ${JSON.stringify(one.violatingConstructs)}`),
  );
  const template = Template.fromStack(stack);
  rmSync(directory, { recursive: true, force: true });
  return { template, findings };
}

interface Report {
  pluginReports: { violations: { ruleName: string; violatingConstructs: unknown }[] }[];
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

/** The one resource of a type whose logical id begins so. */
export function oneOf(template: Template, type: string, prefix: string) {
  const found = Object.entries(resourcesOf(template, type)).filter(([id]) => id.startsWith(prefix));
  const [entry] = found;
  if (!entry || found.length > 1)
    throw new Error(`${found.length} resources of ${type} begin with ${prefix}`);
  return { id: entry[0], ...entry[1] };
}

export function policyStatementsOf(template: Template, type: string): Statement[] {
  return Object.values(resourcesOf(template, type)).flatMap(
    ({ Properties }) => (Properties['PolicyDocument'] as { Statement: Statement[] }).Statement,
  );
}
