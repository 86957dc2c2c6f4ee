import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Template } from 'aws-cdk-lib/assertions';
import { cached } from '../../local/build-product.ts';
import { contentStamp } from '../../local/content-stamp.ts';

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

const root = join(import.meta.dirname, '../..');
const sources = ['infra', 'lambdas', 'tests/infra/synthesise-stack.ts', 'cdk.json', 'package-lock.json'];
const templates = new Map<string, Promise<Template>>();

/**
 * The stack that would be deployed, without bundling the functions, because no test reads their contents. It is kept
 * by the content of its sources, since a synthesis takes seconds and each test process would need its own.
 */
export function synthesise(settings: Record<string, string> = {}): Promise<Template> {
  const variant = JSON.stringify(settings).replace(/\W+/g, '-');
  const template = templates.get(variant) ?? readOrSynthesise(settings, variant);
  templates.set(variant, template);
  return template;
}

async function readOrSynthesise(settings: Record<string, string>, variant: string): Promise<Template> {
  const stamp = contentStamp(root, sources);
  const cache = join(root, '.local/templates');
  const folder = await cached(
    cache,
    'template',
    stamp,
    variant,
    () => undefined,
    async (target) => {
      const { synthesiseStack } = await import('./synthesise-stack.ts');
      await writeFile(join(target, 'template.json'), JSON.stringify(synthesiseStack(settings).toJSON()));
    },
  );
  return Template.fromJSON(JSON.parse(await readFile(join(folder, 'template.json'), 'utf8')));
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

/** A resource of a policy as text; a value that is known only at deploy is written as `<Queue.Arn>`. */
export function readable(value: unknown): string {
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) return value.map(readable).join(', ');
  const [[name, argument] = []] = Object.entries(value as Record<string, unknown>);
  if (name === 'Ref') return `<${argument}>`;
  if (name === 'Fn::GetAtt') return `<${(argument as string[]).join('.')}>`;
  if (name === 'Fn::Join') return ((argument as [string, unknown[]])[1] ?? []).map(readable).join('');
  throw new Error(`no text for ${JSON.stringify(value)}`);
}

/** The one resource of a type whose logical id begins with `prefix`. */
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
