import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { beforeAll, expect, test } from 'vitest';
import { dynamoEnvironments } from '../../lambdas/adapters/dynamo-environments.ts';
import { readable, statementsOf, synthesise } from './template.ts';

const folders = ['adapters', 'providers/ec2'].map((name) => join(import.meta.dirname, '../../lambdas', name));

/** Where the action has another name than the command, or is not in the command's package's service. */
const renamed: Record<string, string> = {
  'sqs:SendMessageBatch': 'sqs:SendMessage',
  's3:ListObjectsV2': 's3:ListBucket',
  's3:DeleteObjects': 's3:DeleteObject',
  's3:HeadObject': 's3:GetObject',
  'dynamodb:Get': 'dynamodb:GetItem',
  'dynamodb:Put': 'dynamodb:PutItem',
  'dynamodb:Update': 'dynamodb:UpdateItem',
  'dynamodb:Delete': 'dynamodb:DeleteItem',
};
/** EC2 needs these rights on behalf of RunInstances. */
const implied = ['ec2:CreateTags', 'iam:PassRole'];

let called: Set<string>;
let granted: Set<string>;

beforeAll(async () => {
  const listed = await Promise.all(
    folders.map(async (folder) => (await readdir(folder)).map((file) => join(folder, file))),
  );
  // These files belong to another function, with a role of its own.
  const files = listed
    .flat()
    .filter((file) => file.endsWith('.ts') && !file.endsWith('aws-webhook-receiver.ts'));
  const sources = await Promise.all(files.map((file) => readFile(file, 'utf8')));
  called = new Set(sources.flatMap(actionsCalled));

  const template = await synthesise();
  const statements = [
    ...statementsOf(template, 'DeployerRole'),
    ...statementsOf(template, 'CleanupRole'),
  ].filter(
    // Lambda, and not our code, makes the calls of the event source and the log.
    ({ Action, Resource }) =>
      !/JobQueueJobs.*Arn/.test(readable(Resource)) || [Action].flat().includes('sqs:SendMessage'),
  );
  const actions = statements.flatMap(({ Action }) => Action).filter((action) => !action.startsWith('logs:'));
  granted = new Set(actions);
});

/** The actions in IAM's names for an import from the AWS SDK such as `RunInstancesCommand` and `paginateScan`. */
function actionsCalled(source: string): string[] {
  const imports = source.matchAll(/import\s*\{([^}]*)\}\s*from '@aws-sdk\/(?:client|lib)-([a-z0-9]+)'/g);
  return [...imports].flatMap(([, names = '', service = '']) =>
    [...names.matchAll(/\bpaginate(\w+)|\b(\w+)Command\b/g)].map(([, paginated, command]) => {
      const action = `${service}:${paginated ?? command}`;
      return renamed[action] ?? action;
    }),
  );
}

test('every call to AWS that the adapters can make is granted', () => {
  expect(called.size).toBeGreaterThan(10);
  expect([...called].filter((action) => !granted.has(action))).toEqual([]);
});

test('nothing is granted that no adapter calls', () => {
  expect([...granted].filter((action) => !called.has(action) && !implied.includes(action))).toEqual([]);
});

test('the function behind INGRESS_URL has the rights for its adapter’s calls, and nothing else', async () => {
  const source = await readFile(join(folders[0] ?? '', 'aws-webhook-receiver.ts'), 'utf8');
  const statements = statementsOf(await synthesise({ INGRESS: 'function-url' }), 'WebhookIngressRole');
  const actions = statements.flatMap(({ Action }) => Action).filter((action) => !action.startsWith('logs:'));
  expect(actions.sort()).toEqual(actionsCalled(source).sort());
});

test('the functions may query every index that they use, and no other', async () => {
  const asked: string[] = [];
  const client = new DynamoDBClient({ region: 'us-east-1' });
  client.middlewareStack.add(
    () =>
      async ({ input }) => {
        if ('IndexName' in input) asked.push(String(input.IndexName));
        return { output: { $metadata: {}, Items: [] }, response: {} };
      },
    { step: 'initialize' },
  );
  const environments = dynamoEnvironments(client, 'environments');
  await environments.due(0, 1);
  await environments.ofRepository(1);
  await environments.ofAccess('1');

  const template = await synthesise();
  const granted = [...statementsOf(template, 'DeployerRole'), ...statementsOf(template, 'CleanupRole')]
    .flatMap(({ Resource }) => readable(Resource).split(', '))
    .flatMap((resource) => /\/index\/(.+)$/.exec(resource)?.[1] ?? []);
  expect(asked.sort()).toEqual(['due', 'installation', 'repository']);
  expect(granted.sort()).toEqual(asked);
});
