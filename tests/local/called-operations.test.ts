import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { stackOperations } from '../../local/aws/cloudformation-wire.ts';
import { ec2Operations } from '../../local/aws/ec2-wire.ts';
import { iamOperations } from '../../local/aws/iam-wire.ts';
import { lambdaOperations } from '../../local/aws/lambda-wire.ts';
import { logsOperations } from '../../local/aws/logs-wire.ts';
import { s3Operations } from '../../local/aws/s3-operations.ts';
import { quotaOperations } from '../../local/aws/service-quotas-wire.ts';
import { ssmOperations } from '../../local/aws/ssm-wire.ts';
import { stsOperations } from '../../local/aws/sts-wire.ts';
import { findOperation } from '../../local/cloudflare/api.ts';
import { cloudflareOperations } from '../../local/cloudflare/api-operations.ts';
import { githubOperations } from '../../local/github/api.ts';
import { type CalledOperations, calledOperations, callsIn } from './called-operations.ts';

/**
 * A stand-in has only operations that the product, an operator's command, the demo or the end-to-end test uses. A
 * test of the stand-in alone does not count. Requests of git and browsers to the local GitHub (repositories,
 * archives, pages) are no operations, and SQS and DynamoDB are packages.
 */
const users = '{lambdas,worker,host,infra,scripts,dev,packer,tests/e2e,tests/docker}/**/*.ts';

/** Called by a program that is not ours, whose code cannot be read. */
const calledByOthers: Record<string, string> = {
  'sts AssumeRole':
    'the SDK, for a profile with a role in ~/.aws/config: what `make setup` makes for who deploys',
};

/** The tables by package of the SDK. */
const awsTables: Record<string, object> = {
  cloudformation: stackOperations,
  'cloudwatch-logs': logsOperations,
  ec2: ec2Operations,
  iam: iamOperations,
  lambda: lambdaOperations,
  s3: s3Operations,
  'service-quotas': quotaOperations,
  ssm: ssmOperations,
  sts: stsOperations,
};

let called: CalledOperations;
beforeAll(async () => {
  called = await calledOperations(users);
});

function awsNames(): string[] {
  return Object.entries(awsTables).flatMap(([service, table]) =>
    Object.keys(table).map((operation) => `${service} ${operation}`),
  );
}

/** `GET /app` -> `apps/get-authenticated`, from GitHub's description. */
function githubIds(): Map<string, string> {
  const file = new URL('../contracts/github-openapi.json', import.meta.url);
  const { paths }: { paths: Record<string, Record<string, { operationId?: string }>> } = JSON.parse(
    readFileSync(file, 'utf8'),
  );
  const ids = new Map<string, string>();
  for (const [path, methods] of Object.entries(paths)) {
    for (const [method, { operationId }] of Object.entries(methods)) {
      if (operationId) ids.set(`${method.toUpperCase()} ${path.replaceAll(/\{[^}]*\}/g, '{}')}`, operationId);
    }
  }
  return ids;
}

describe('a stand-in has only operations that are called', () => {
  it('of AWS', () => {
    const unused = awsNames().filter((name) => !called.aws.has(name) && !calledByOthers[name]);
    expect(unused).toEqual([]);
  });

  it('of GitHub', () => {
    const ids = githubIds();
    const used = new Set([...called.github].map((endpoint) => ids.get(endpoint)));
    expect(Object.keys(githubOperations).filter((id) => !used.has(id))).toEqual([]);
  });

  it('of Cloudflare', () => {
    const used = new Set(
      [...called.cloudflare].map((request) => {
        const [method = '', path = ''] = request.split(' ');
        return findOperation(method, path)?.operation;
      }),
    );
    const unused = cloudflareOperations.filter((operation) => !used.has(operation));
    expect(unused.map(({ method, path }) => `${method} ${path}`)).toEqual([]);
  });

  it('has no exception for an operation that is called, or that does not exist', () => {
    expect(Object.keys(calledByOthers).filter((name) => called.aws.has(name))).toEqual([]);
    expect(Object.keys(calledByOthers).filter((name) => !awsNames().includes(name))).toEqual([]);
  });
});

describe('a call is found', () => {
  it('if it is made, waited for or read page by page, also under another name', () => {
    const text = `
      import { paginateDescribeImages, RunInstancesCommand as Run, waitUntilTableNotExists } from '@aws-sdk/client-ec2';
      await client.send(new Run({}));
      for await (const page of paginateDescribeImages({ client }, {})) use(page);
      await waitUntilTableNotExists({ client }, {});
    `;
    expect(callsIn(text).aws).toEqual(['ec2 RunInstances', 'ec2 DescribeImages', 'ec2 DescribeTable']);
  });

  it('if it is an endpoint that is passed on, with any values filled in', () => {
    const text = 'await ask(`POST /app/hook/deliveries/\u0024{id}/attempts`); octokit.request("GET /app");';
    expect(callsIn(text).github).toEqual(['POST /app/hook/deliveries/{}/attempts', 'GET /app']);
  });

  it('if it is a method of a part of the client to which the file has given a name', () => {
    const text = `
      const { access, dns: names } = account.client.zeroTrust;
      const { policies } = access;
      await policies.list({ account_id });
      await names.records.get('1', { zone_id });
    `;
    expect(callsIn(text).client).toEqual(['zeroTrust.access.policies.list', 'zeroTrust.dns.records.get']);
  });

  it('but not in an import, a comment or a text', () => {
    const text = `
      import { CreateTagsCommand, type RunInstancesCommand } from '@aws-sdk/client-ec2';
      // octokit.request('GET /app'); client.zones.list(); new CreateTagsCommand({})
      const sentence = 'GET /app is asked with client.zones.list()';
      export type Request = RunInstancesCommand;
    `;
    expect(callsIn(text)).toEqual({ aws: [], github: [], client: [] });
  });
});
