import { globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { deployerPolicy } from '../../../infra/deploy/deployer-policy.ts';

const root = join(import.meta.dirname, '../../..');
/** The control plane's adapters that the operator's commands use themselves. */
const adapters = ['ec2-machines', 's3-mailbox', 'ssm-notifier'];
/** Run by an administrator, once. */
const notTheDeployers = ['setup/aws-credentials.ts', 'setup/deployer-trust.ts'];

/** Where the action has another name than the command, or its service than the package. */
const renamed: Record<string, string> = {
  's3:HeadBucket': 's3:ListBucket',
  's3:HeadObject': 's3:GetObject',
  's3:ListObjectsV2': 's3:ListBucket',
  's3:ListObjectVersions': 's3:ListBucketVersions',
  's3:DeleteObjects': 's3:DeleteObject',
  'lambda:Invoke': 'lambda:InvokeFunction',
  'service-quotas:GetServiceQuota': 'servicequotas:GetServiceQuota',
};
/** The operation that a waiter of the SDK repeats. */
const asks: Record<string, string> = {
  FunctionUpdated: 'lambda:GetFunctionConfiguration',
  TableNotExists: 'dynamodb:DescribeTable',
};
/** Rights that AWS needs on behalf of a call: RunInstances; the versions of DeleteObjects; what CDK's program does. */
const implied = ['ec2:CreateTags', 'iam:PassRole', 's3:DeleteObjectVersion', 'sts:AssumeRole'];

const scope = {
  partition: 'aws',
  account: '123456789012',
  region: 'ap-southeast-2',
  deploymentId: 'staging-europe-1',
  bakesImages: false,
};

let called: Set<string>;
beforeAll(async () => {
  const files = globSync('{infra,scripts}/**/*.ts', { cwd: root }).filter(
    (file) => !notTheDeployers.some((other) => file.endsWith(other)),
  );
  const paths = [
    ...files.map((file) => join(root, file)),
    ...adapters.map((name) => join(root, 'lambdas/providers/ec2', `${name}.ts`)),
  ];
  const sources = await Promise.all(paths.map((path) => readFile(path, 'utf8')));
  called = new Set(sources.flatMap(actionsCalled));
});

function actionsCalled(source: string): string[] {
  const imports = source.matchAll(/import\s*\{([^}]*)\}\s*from '@aws-sdk\/(?:client|lib)-([a-z0-9-]+)'/g);
  return [...imports].flatMap(([, names = '', service = '']) =>
    [...names.matchAll(/\bpaginate(\w+)|\b(\w+)Command\b|\bwaitUntil(\w+)/g)].map(
      ([, paginated, command, waiter]) => {
        if (waiter) return asks[waiter] ?? `a waiter nobody knows: ${waiter}`;
        const action = `${service.replace('cloudwatch-logs', 'logs')}:${paginated ?? command}`;
        return renamed[action] ?? action;
      },
    ),
  );
}

const granted = (bakesImages: boolean) =>
  deployerPolicy({ ...scope, bakesImages }).Statement.flatMap(({ Action }) => Action);

describe('the rights of the deployer', () => {
  it('are enough for every call of the operator’s commands', () => {
    expect(called.size).toBeGreaterThan(40);
    // GetCallerIdentity cannot be denied.
    const needed = [...called].filter((action) => action !== 'sts:GetCallerIdentity');
    expect(needed.filter((action) => !granted(false).includes(action))).toEqual([]);
  });

  it('are no more than that, except for what Packer needs where images are baked', () => {
    expect(granted(false).filter((action) => !called.has(action) && !implied.includes(action))).toEqual([]);
    expect(granted(true).length).toBeGreaterThan(granted(false).length);
  });

  it('have no wildcard among the actions', () => {
    expect(granted(true).filter((action) => action.includes('*'))).toEqual([]);
  });

  it('reach all resources only for reading, for baking, and for what carries the mark', () => {
    const wide = deployerPolicy({ ...scope, bakesImages: true }).Statement.filter(
      ({ Resource, Condition }) => Resource === '*' && !Condition,
    );
    expect(wide.map(({ Sid }) => Sid)).toEqual(['Packer', 'Look']);
    const look = wide.find(({ Sid }) => Sid === 'Look');
    expect(look?.Action.filter((action) => !/:(Describe|Get|List)/.test(action))).toEqual([]);
  });

  it('of one deployment do not reach another one whose id begins with the same words', () => {
    const patterns = deployerPolicy({ ...scope, deploymentId: 'shop', bakesImages: true })
      .Statement.flatMap(({ Resource }) => Resource)
      .filter((resource) => resource.includes('eph') && resource.endsWith('*'));
    const theirs = [
      'table',
      'function',
      'user',
      'role',
      'document',
      'log-group',
      'parameter/eph',
      '',
    ].flatMap((kind) =>
      ['TablesHosts', 'DeployerFunction', 'WorkerUser', 'HostRole', 'RingDocument', 'x'].map(
        (name) => `${kind}/eph-shop-two-${name}`,
      ),
    );
    const owns = patterns.flatMap((pattern) => /[:/]([^:/]*eph-shop[^:/]*)\*$/.exec(pattern)?.[1] ?? []);
    expect(owns.length).toBeGreaterThan(10);
    for (const own of owns) {
      expect(theirs.filter((name) => name.split('/').at(-1)?.startsWith(own.replace('*', '')))).toEqual([]);
    }
  });

  it('fit into an inline policy of a role, with the longest names', () => {
    const text = JSON.stringify(deployerPolicy({ ...scope, bakesImages: true }));
    expect(text.replaceAll(/\s/g, '').length).toBeLessThanOrEqual(10_240);
  });
});
