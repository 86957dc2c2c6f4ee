import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type LocalAws, type StartAwsOptions, startAws } from '../../../local/aws/start-aws.ts';
import type { WireEntry } from '../../../local/wire-log.ts';
import { createFakeHostDriver, type FakeHostDriver } from './fake-host-driver.ts';

export interface LocalStack {
  aws: LocalAws;
  driver: FakeHostDriver;
  wire: WireEntry[];
  lines: string[];
  close(): Promise<void>;
}

/** Does what the event says; writes a line for everything that it sees. */
const functionSource = `
let events = 0;
export async function handler(event, context) {
  events += 1;
  if (event.Records) {
    const bodies = event.Records.map((record) => record.body + '#' + record.attributes.ApproximateReceiveCount);
    console.log('batch ' + bodies.join(' '));
    const failed = event.Records.filter((record) => record.body.startsWith('bad'));
    return { batchItemFailures: failed.map((record) => ({ itemIdentifier: record.messageId })) };
  }
  const headers = event.headers ?? {};
  if (headers['x-throw']) throw new TypeError(headers['x-throw']);
  if (headers['x-answer']) return JSON.parse(headers['x-answer']);
  if (event.rawPath) return { event };
  if (event.say) console.log(event.say);
  if (event.throw) throw new TypeError(event.throw);
  if (event.exit) process.exit(event.exit);
  if (event.sleep) await new Promise((resolve) => setTimeout(resolve, event.sleep));
  return { events, pid: process.pid, env: process.env, left: context.getRemainingTimeInMillis(), task: event.task };
}
`;

const arn = (logicalId: string) => ({ 'Fn::GetAtt': [logicalId, 'Arn'] });
const ref = (logicalId: string) => ({ Ref: logicalId });
const allow = (action: string | string[], resource: unknown, condition?: object) => ({
  Effect: 'Allow',
  Action: action,
  Resource: resource,
  ...(condition && { Condition: condition }),
});
const policy = (...statements: object[]) => ({ Version: '2012-10-17', Statement: statements });
const ec2Arn = (type: string) => ({
  'Fn::Join': ['', ['arn:aws:ec2:', { Ref: 'AWS::Region' }, ':', { Ref: 'AWS::AccountId' }, `:${type}/*`]],
});
const role = (...statements: object[]) => ({
  Type: 'AWS::IAM::Role',
  Properties: { Policies: [{ PolicyName: 'Inline', PolicyDocument: policy(...statements) }] },
});
const controlPlane = [
  allow(['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes'], arn('Jobs')),
  allow('ec2:RunInstances', [ec2Arn('instance'), ec2Arn('volume')], {
    StringEquals: { 'aws:RequestTag/app': 'eph' },
  }),
  allow('ec2:RunInstances', [
    ec2Arn('subnet'),
    ec2Arn('security-group'),
    ec2Arn('network-interface'),
    ec2Arn('launch-template'),
    'arn:aws:ec2:us-east-1::image/*',
  ]),
  allow('ec2:CreateTags', [ec2Arn('instance'), ec2Arn('volume')], {
    StringEquals: { 'ec2:CreateAction': 'RunInstances' },
  }),
  allow('iam:PassRole', arn('HostRole')),
  allow(['ec2:StopInstances', 'ec2:TerminateInstances'], ec2Arn('instance'), {
    StringEquals: { 'aws:ResourceTag/app': 'eph' },
  }),
];

/** A small template in CDK's form: everything that the platform reads occurs once. */
export const template = {
  Resources: {
    Jobs: {
      Type: 'AWS::SQS::Queue',
      Properties: {
        VisibilityTimeout: 1,
        RedrivePolicy: { deadLetterTargetArn: arn('Dead'), maxReceiveCount: 2 },
      },
    },
    Dead: { Type: 'AWS::SQS::Queue', Properties: {} },
    Reports: { Type: 'AWS::SQS::Queue', Properties: { QueueName: 'reports' } },
    ReportsPolicy: {
      Type: 'AWS::SQS::QueuePolicy',
      Properties: {
        Queues: [ref('Reports')],
        PolicyDocument: policy(
          {
            ...allow('sqs:SendMessage', arn('Reports'), { ArnLike: { 'aws:SourceArn': arn('Mail') } }),
            Principal: { Service: 's3.amazonaws.com' },
          },
          {
            ...allow('sqs:SendMessage', arn('Reports'), { ArnEquals: { 'aws:SourceArn': arn('PowerRule') } }),
            Principal: { Service: 'events.amazonaws.com' },
          },
          { Effect: 'Deny', Action: 'sqs:PurgeQueue', Resource: arn('Reports'), Principal: { AWS: '*' } },
        ),
      },
    },
    Rows: {
      Type: 'AWS::DynamoDB::Table',
      Properties: {
        TableName: 'rows',
        KeySchema: [{ AttributeName: 'key', KeyType: 'HASH' }],
        AttributeDefinitions: [
          { AttributeName: 'key', AttributeType: 'S' },
          { AttributeName: 'due', AttributeType: 'S' },
        ],
        GlobalSecondaryIndexes: [
          {
            IndexName: 'due',
            KeySchema: [{ AttributeName: 'due', KeyType: 'HASH' }],
            Projection: { ProjectionType: 'KEYS_ONLY' },
          },
        ],
      },
    },
    Mail: {
      Type: 'AWS::S3::Bucket',
      Properties: {
        BucketName: { 'Fn::Sub': ['mail-\u0024{Account}', { Account: ref('AWS::AccountId') }] },
        NotificationConfiguration: {
          QueueConfigurations: [
            {
              Event: 's3:ObjectCreated:*',
              Queue: arn('Reports'),
              Filter: {
                S3Key: {
                  Rules: [
                    { Name: 'prefix', Value: 'hosts/' },
                    { Name: 'suffix', Value: '.json' },
                  ],
                },
              },
            },
          ],
        },
      },
    },
    Worker: {
      Type: 'AWS::Lambda::Function',
      Properties: {
        Handler: 'index.handler',
        Runtime: 'nodejs24.x',
        Role: arn('WorkerRole'),
        Code: { S3Bucket: 'assets', S3Key: 'f00.zip' },
        Timeout: 1,
        MemorySize: 128,
        Environment: { Variables: { QUEUE: ref('Jobs'), OVER: 'template' } },
      },
    },
    WorkerRole: role(...controlPlane),
    FromJobs: {
      Type: 'AWS::Lambda::EventSourceMapping',
      Properties: {
        EventSourceArn: arn('Jobs'),
        FunctionName: ref('Worker'),
        BatchSize: 10,
        FunctionResponseTypes: ['ReportBatchItemFailures'],
        ScalingConfig: { MaximumConcurrency: 2 },
      },
    },
    Hourly: {
      Type: 'AWS::Events::Rule',
      Properties: {
        ScheduleExpression: 'rate(1 hour)',
        Targets: [{ Arn: arn('Worker'), Id: 'Target0', Input: '{"task":"compare"}' }],
      },
    },
    PowerRule: {
      Type: 'AWS::Events::Rule',
      Properties: {
        EventPattern: {
          source: ['aws.ec2'],
          'detail-type': ['EC2 Instance State-change Notification'],
          detail: { state: ['stopped', 'terminated'] },
        },
        Targets: [
          {
            Arn: arn('Reports'),
            Id: 'Target0',
            InputTransformer: {
              InputPathsMap: { id: '$.detail.instance-id', state: '$.detail.state' },
              InputTemplate: '{"machine":<id>,"line":"<state>"}',
            },
          },
        ],
      },
    },
    MayFire: {
      Type: 'AWS::Lambda::Permission',
      Properties: {
        Action: 'lambda:InvokeFunction',
        Principal: 'events.amazonaws.com',
        FunctionName: arn('Worker'),
        SourceArn: arn('Hourly'),
      },
    },
    Ring: {
      Type: 'AWS::SSM::Document',
      Properties: {
        Name: 'ring',
        Content: {
          schemaVersion: '2.2',
          parameters: {
            Generation: { type: 'String', allowedPattern: '^[0-9]{1,9}$', interpolationType: 'ENV_VAR' },
          },
          mainSteps: [
            {
              action: 'aws:runShellScript',
              name: 'ring',
              inputs: { timeoutSeconds: '60', runCommand: ['eph-agent ring "$SSM_Generation"'] },
            },
          ],
        },
      },
    },
    HostRole: role(
      allow(['s3:GetObject', 's3:PutObject'], {
        'Fn::Join': ['', [arn('Mail'), '/hosts/\u0024{aws:userid}/*']],
      }),
    ),
    Profile: { Type: 'AWS::IAM::InstanceProfile', Properties: { Roles: [ref('HostRole')] } },
    HostTemplate: {
      Type: 'AWS::EC2::LaunchTemplate',
      Properties: {
        LaunchTemplateName: 'hosts',
        LaunchTemplateData: {
          IamInstanceProfile: { Arn: arn('Profile') },
          SecurityGroupIds: [ref('Closed')],
        },
      },
    },
    Vpc: { Type: 'AWS::EC2::VPC', Properties: {} },
    Closed: { Type: 'AWS::EC2::SecurityGroup', Properties: {} },
    SubnetA: {
      Type: 'AWS::EC2::Subnet',
      Properties: {
        VpcId: ref('Vpc'),
        AvailabilityZone: { 'Fn::Select': [0, { 'Fn::GetAZs': '' }] },
        MapPublicIpOnLaunch: true,
      },
    },
    Sender: { Type: 'AWS::IAM::User', Properties: {} },
    SenderPolicy: {
      Type: 'AWS::IAM::Policy',
      Properties: {
        PolicyName: 'Send',
        Users: [ref('Sender')],
        PolicyDocument: policy(allow('sqs:SendMessage', arn('Reports'))),
      },
    },
  },
};

export async function startLocalStack(overrides: Partial<StartAwsOptions> = {}): Promise<LocalStack> {
  const assetRoot = await mkdtemp(join(tmpdir(), 'local-stack-'));
  await mkdir(join(assetRoot, 'asset.f00'));
  await writeFile(join(assetRoot, 'asset.f00/index.mjs'), functionSource);
  const driver = createFakeHostDriver();
  const wire: WireEntry[] = [];
  const lines: string[] = [];
  const aws = await startAws({
    template,
    assetRoot,
    hostDriver: driver,
    wireLog: { record: (entry) => wire.push(entry), close: async () => undefined },
    log: ({ line }) => lines.push(line),
    environmentOverrides: { OVER: 'override' },
    schedules: false,
    ...overrides,
  });
  return {
    aws,
    driver,
    wire,
    lines,
    async close() {
      await aws.close();
      await rm(assetRoot, { recursive: true, force: true });
    },
  };
}

/** SDK client options; one attempt, so that a refusal is seen and not retried. */
export function clientOptions(aws: LocalAws, variables: Record<string, string>) {
  const { AWS_ACCESS_KEY_ID = '', AWS_SECRET_ACCESS_KEY = '', AWS_SESSION_TOKEN } = variables;
  return {
    endpoint: aws.url,
    region: 'us-east-1',
    maxAttempts: 1,
    credentials: {
      accessKeyId: AWS_ACCESS_KEY_ID,
      secretAccessKey: AWS_SECRET_ACCESS_KEY,
      ...(AWS_SESSION_TOKEN && { sessionToken: AWS_SESSION_TOKEN }),
    },
  };
}

/** Waits until a condition is true. */
export async function eventually<Value>(
  look: () => Value | Promise<Value>,
  timeoutMs = 5_000,
): Promise<NonNullable<Value>> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const value = await look();
    if (value) return value;
    if (Date.now() > deadline) throw new Error('did not happen in time');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
