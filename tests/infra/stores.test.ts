import { Match, type Template } from 'aws-cdk-lib/assertions';
import { beforeAll, describe, expect, test } from 'vitest';
import { oneOf, readable, type Statement, synthesise } from './template.ts';

let template: Template;
beforeAll(async () => {
  template = await synthesise();
});
const one = (type: string, prefix: string) => oneOf(template, type, prefix);

describe('the tables', () => {
  const key = (name: string, KeyType = 'HASH') => ({ AttributeName: name, KeyType });
  const index = (IndexName: string, ...KeySchema: object[]) => ({
    IndexName,
    KeySchema,
    Projection: { ProjectionType: 'KEYS_ONLY' },
  });

  test('have the keys and indexes that the control plane queries', () => {
    const environments = one('AWS::DynamoDB::Table', 'TablesEnvironments').Properties;
    expect(environments['KeySchema']).toEqual([key('key')]);
    expect(environments['GlobalSecondaryIndexes']).toEqual([
      index('due', key('dueShard'), key('nextLookAt', 'RANGE')),
      index('hostname', key('hostname')),
      index('repository', key('repositoryId')),
      index('installation', key('installationId')),
    ]);
    const numbers = (
      environments['AttributeDefinitions'] as { AttributeName: string; AttributeType: string }[]
    )
      .filter(({ AttributeType }) => AttributeType === 'N')
      .map(({ AttributeName }) => AttributeName);
    expect(numbers.sort()).toEqual(['installationId', 'nextLookAt', 'repositoryId']);

    const hosts = one('AWS::DynamoDB::Table', 'TablesHosts').Properties;
    expect(hosts['KeySchema']).toEqual([key('instanceId')]);
    expect(hosts['GlobalSecondaryIndexes']).toEqual([index('environment', key('environment'))]);
    for (const name of ['TablesBuilds', 'TablesEvents']) {
      const { Properties } = one('AWS::DynamoDB::Table', name);
      expect(Properties['KeySchema']).toEqual([key('environment'), key('id', 'RANGE')]);
    }
  });

  test('delete by themselves the rows that nothing reads again', () => {
    const forgets = (name: string) =>
      one('AWS::DynamoDB::Table', name).Properties['TimeToLiveSpecification'] as unknown;
    expect(forgets('TablesEnvironments')).toEqual({ AttributeName: 'forgetAt', Enabled: true });
    expect(forgets('TablesBuilds')).toEqual({ AttributeName: 'expiresAt', Enabled: true });
    expect(forgets('TablesEvents')).toEqual({ AttributeName: 'expiresAt', Enabled: true });
    expect(forgets('TablesHosts')).toBeUndefined();
  });

  test('cost nothing while nobody reads them, and the environments outlive the stack and a mistake', () => {
    template.allResourcesProperties('AWS::DynamoDB::Table', { BillingMode: 'PAY_PER_REQUEST' });
    template.hasResource('AWS::DynamoDB::Table', {
      // This does not apply to a first deploy that fails.
      DeletionPolicy: 'RetainExceptOnCreate',
      UpdateReplacePolicy: 'Retain',
      Properties: {
        KeySchema: [key('key')],
        PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
      },
    });
  });
});

describe('the mailbox bucket', () => {
  test('is private, encrypted, refuses plain HTTP and deletes old mailboxes, not agents', () => {
    template.resourceCountIs('AWS::S3::Bucket', 1);
    template.hasResourceProperties('AWS::S3::Bucket', {
      BucketEncryption: Match.objectLike({}),
      PublicAccessBlockConfiguration: {
        BlockPublicAcls: true,
        BlockPublicPolicy: true,
        IgnorePublicAcls: true,
        RestrictPublicBuckets: true,
      },
      LifecycleConfiguration: {
        Rules: [Match.objectLike({ Prefix: 'hosts/', ExpirationInDays: 30, Status: 'Enabled' })],
      },
    });
    template.hasResourceProperties('AWS::S3::BucketPolicy', {
      PolicyDocument: Match.objectLike({
        Statement: Match.arrayWith([
          Match.objectLike({ Effect: 'Deny', Condition: { Bool: { 'aws:SecureTransport': 'false' } } }),
        ]),
      }),
    });
  });

  test('notifies the job queue of hosts’ reports: not of our own deployment specs, and not of logs', () => {
    const { Properties } = one('AWS::S3::Bucket', 'MailboxBucket');
    const queue = { 'Fn::GetAtt': [one('AWS::SQS::Queue', 'JobQueueJobs').id, 'Arn'] };
    const report = (suffix: string) => ({
      Event: 's3:ObjectCreated:*',
      Queue: queue,
      Filter: {
        S3Key: {
          Rules: [
            { Name: 'prefix', Value: 'hosts/' },
            { Name: 'suffix', Value: suffix },
          ],
        },
      },
    });
    expect(Properties['NotificationConfiguration']).toEqual({
      QueueConfigurations: ['/progress.json', '/result.json'].map(report),
    });
  });

  test('is made after the policy that lets it send, which names this bucket and no other', () => {
    const bucket = one('AWS::S3::Bucket', 'MailboxBucket');
    const policy = one('AWS::SQS::QueuePolicy', 'JobQueueJobsPolicy');
    expect(bucket.DependsOn).toContain(policy.id);
    const statements = (policy.Properties['PolicyDocument'] as { Statement: Statement[] }).Statement;
    const fromS3 = statements.find(({ Sid }) => Sid === 'ReportsOfHosts');
    expect(fromS3).toMatchObject({
      Effect: 'Allow',
      Action: 'sqs:SendMessage',
      Principal: { Service: 's3.amazonaws.com' },
      Condition: { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } },
    });
    const name = readable(bucket.Properties['BucketName']);
    expect(name).toBe('eph-local-<AWS::AccountId>-<AWS::Region>');
    expect(readable(fromS3?.Condition?.['ArnEquals']?.['aws:SourceArn'])).toBe(
      `arn:<AWS::Partition>:s3:::${name}`,
    );
  });
});
