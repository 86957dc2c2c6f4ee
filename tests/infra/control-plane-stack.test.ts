import { Match, type Template } from 'aws-cdk-lib/assertions';
import { beforeAll, describe, expect, test } from 'vitest';
import { loadConfig } from '../../lambdas/config.ts';
import { actionsOf, readable, resourcesOf, type Statement, statementsOf, synthesise } from './template.ts';

let template: Template;
beforeAll(() => {
  template = synthesise();
});

/** The one resource of a type whose logical id begins so. */
function one(type: string, prefix: string) {
  const found = Object.entries(resourcesOf(template, type)).filter(([id]) => id.startsWith(prefix));
  const [entry] = found;
  if (!entry || found.length > 1)
    throw new Error(`${found.length} resources of ${type} begin with ${prefix}`);
  return { id: entry[0], ...entry[1] };
}

function policyStatements(type: string): Statement[] {
  return Object.values(resourcesOf(template, type)).flatMap(
    ({ Properties }) => (Properties['PolicyDocument'] as { Statement: Statement[] }).Statement,
  );
}

describe('the job queue', () => {
  test('hides a job for at least six times as long as a function may run', () => {
    const { Properties: queue } = one('AWS::SQS::Queue', 'JobQueueJobs');
    for (const { Properties } of Object.values(resourcesOf(template, 'AWS::Lambda::Function'))) {
      expect(queue['VisibilityTimeout']).toBeGreaterThanOrEqual(6 * Number(Properties['Timeout']));
    }
  });

  test('parks a job that failed five times where it stays longer than in the queue', () => {
    const dead = one('AWS::SQS::Queue', 'JobQueueDeadLetters');
    const { Properties: queue } = one('AWS::SQS::Queue', 'JobQueueJobs');
    expect(queue['RedrivePolicy']).toEqual({
      deadLetterTargetArn: { 'Fn::GetAtt': [dead.id, 'Arn'] },
      maxReceiveCount: 5,
    });
    expect(dead.Properties['MessageRetentionPeriod']).toBeGreaterThan(
      Number(queue['MessageRetentionPeriod']),
    );
  });

  test('is not FIFO, which would have no delay per message', () => {
    template.hasResourceProperties('AWS::SQS::Queue', { FifoQueue: Match.absent() });
  });

  test('is encrypted and takes nothing over plain HTTP, and so are the dead letters', () => {
    template.allResourcesProperties('AWS::SQS::Queue', { SqsManagedSseEnabled: true });
    template.resourceCountIs('AWS::SQS::QueuePolicy', 2);
    template.allResourcesProperties('AWS::SQS::QueuePolicy', {
      PolicyDocument: Match.objectLike({
        Statement: Match.arrayWith([
          Match.objectLike({
            Effect: 'Deny',
            Action: 'sqs:*',
            Condition: { Bool: { 'aws:SecureTransport': 'false' } },
          }),
        ]),
      }),
    });
  });

  test('is read one job at a time, and only the job that failed comes back', () => {
    template.resourceCountIs('AWS::Lambda::EventSourceMapping', 1);
    template.hasResourceProperties('AWS::Lambda::EventSourceMapping', {
      EventSourceArn: { 'Fn::GetAtt': [one('AWS::SQS::Queue', 'JobQueueJobs').id, 'Arn'] },
      FunctionName: { Ref: one('AWS::Lambda::Function', 'DeployerFunction').id },
      BatchSize: 1,
      FunctionResponseTypes: ['ReportBatchItemFailures'],
      ScalingConfig: { MaximumConcurrency: 10 },
    });
  });
});

describe('the Worker', () => {
  test('can send to the job queue and do nothing else', () => {
    const statements = statementsOf(template, 'WorkerUser');
    expect(statements).toHaveLength(1);
    expect(statements[0]).toMatchObject({ Effect: 'Allow', Action: 'sqs:SendMessage' });
    expect(readable(statements[0]?.Resource)).toBe(`<${one('AWS::SQS::Queue', 'JobQueueJobs').id}.Arn>`);
    template.allResourcesProperties('AWS::IAM::User', {
      ManagedPolicyArns: Match.absent(),
      Policies: Match.absent(),
      Groups: Match.absent(),
    });
  });

  test('has no key in the template, where everybody who sees the stack could read it', () => {
    template.resourceCountIs('AWS::IAM::AccessKey', 0);
  });
});

describe('machines that went off', () => {
  test('are told of by EC2 straight to the queue, and nobody else can speak in its name', () => {
    const queue = one('AWS::SQS::Queue', 'JobQueueJobs').id;
    const rule = one('AWS::Events::Rule', 'MachineEvents');
    expect(rule.Properties).toMatchObject({
      EventPattern: {
        source: ['aws.ec2'],
        'detail-type': ['EC2 Instance State-change Notification'],
        detail: { state: ['stopped', 'terminated'] },
      },
      // No input of ours: the event comes as EC2 sends it.
      Targets: [{ Id: 'JobQueue', Arn: { 'Fn::GetAtt': [queue, 'Arn'] } }],
    });
    const { Properties } = one('AWS::SQS::QueuePolicy', 'JobQueueJobsPolicy');
    const statements = (Properties['PolicyDocument'] as { Statement: Statement[] }).Statement;
    expect(statements.find(({ Sid }) => Sid === 'MachinesThatWentOff')).toEqual({
      Sid: 'MachinesThatWentOff',
      Effect: 'Allow',
      Action: 'sqs:SendMessage',
      Principal: { Service: 'events.amazonaws.com' },
      Resource: { 'Fn::GetAtt': [queue, 'Arn'] },
      Condition: { ArnEquals: { 'aws:SourceArn': { 'Fn::GetAtt': [rule.id, 'Arn'] } } },
    });
  });
});

describe('the tables', () => {
  const key = (name: string, KeyType = 'HASH') => ({ AttributeName: name, KeyType });
  const index = (IndexName: string, ...KeySchema: object[]) => ({
    IndexName,
    KeySchema,
    Projection: { ProjectionType: 'KEYS_ONLY' },
  });

  test('have the keys and indexes that the control plane asks by', () => {
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

  test('forget by themselves what nothing asks for again', () => {
    const forgets = (name: string) =>
      one('AWS::DynamoDB::Table', name).Properties['TimeToLiveSpecification'] as unknown;
    expect(forgets('TablesEnvironments')).toEqual({ AttributeName: 'forgetAt', Enabled: true });
    expect(forgets('TablesBuilds')).toEqual({ AttributeName: 'expiresAt', Enabled: true });
    expect(forgets('TablesEvents')).toEqual({ AttributeName: 'expiresAt', Enabled: true });
    expect(forgets('TablesHosts')).toBeUndefined();
  });

  test('cost nothing while nobody asks, and the environments outlive the stack and a mistake', () => {
    template.allResourcesProperties('AWS::DynamoDB::Table', { BillingMode: 'PAY_PER_REQUEST' });
    template.hasResource('AWS::DynamoDB::Table', {
      DeletionPolicy: 'Retain',
      Properties: {
        KeySchema: [key('key')],
        PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
      },
    });
  });
});

describe('the mailbox bucket', () => {
  test('is private, encrypted, takes nothing over plain HTTP and forgets mailboxes, not agents', () => {
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

  test('tells the job queue about reports of hosts: not about our own orders, and not about logs', () => {
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

describe('a host', () => {
  const launch = () =>
    one('AWS::EC2::LaunchTemplate', 'HostTemplate').Properties['LaunchTemplateData'] as Record<
      string,
      unknown
    >;

  test('lets nobody in: no rule of any security group allows a connection from outside', () => {
    const groups = Object.values(resourcesOf(template, 'AWS::EC2::SecurityGroup'));
    expect(groups).toHaveLength(1);
    for (const { Properties } of groups) expect(Properties['SecurityGroupIngress']).toEqual([]);
    template.resourceCountIs('AWS::EC2::SecurityGroupIngress', 0);
    expect(launch()['SecurityGroupIds']).toEqual([
      { 'Fn::GetAtt': [one('AWS::EC2::SecurityGroup', 'NetworkClosed').id, 'GroupId'] },
    ]);
  });

  test('reaches the internet from a public subnet, without a NAT that costs money while nothing runs', () => {
    template.resourceCountIs('AWS::EC2::NatGateway', 0);
    template.allResourcesProperties('AWS::EC2::Subnet', { MapPublicIpOnLaunch: true });
    const subnets = Object.values(resourcesOf(template, 'AWS::EC2::Subnet')).map(
      ({ Properties }) => Properties,
    );
    expect(subnets.map(({ AvailabilityZone }) => AvailabilityZone)).toEqual(
      [0, 1, 2].map((zone) => ({ 'Fn::Select': [zone, { 'Fn::GetAZs': '' }] })),
    );
    const endpoints = Object.values(resourcesOf(template, 'AWS::EC2::VPCEndpoint'));
    expect(endpoints.map(({ Properties }) => Properties['VpcEndpointType'])).toEqual(['Gateway', 'Gateway']);
  });

  test('answers for its metadata in version 2 only, and not to containers behind a bridge', () => {
    expect(launch()['MetadataOptions']).toEqual({
      HttpEndpoint: 'enabled',
      HttpTokens: 'required',
      HttpPutResponseHopLimit: 1,
      HttpProtocolIpv6: 'disabled',
      InstanceMetadataTags: 'disabled',
    });
  });

  test('has an encrypted disk that goes with it, and stops when it is shut down from inside', () => {
    expect(launch()['BlockDeviceMappings']).toEqual([
      {
        DeviceName: '/dev/xvda',
        Ebs: { VolumeType: 'gp3', VolumeSize: 20, Encrypted: true, DeleteOnTermination: true },
      },
    ]);
    expect(launch()['InstanceInitiatedShutdownBehavior']).toBe('stop');
  });

  test('takes any type, also one that has no CPU credits', () => {
    expect(launch()).not.toHaveProperty('CreditSpecification');
    expect(launch()).not.toHaveProperty('InstanceType');
  });

  test('reads and writes its own mailbox, reads the agent, and reads no parameter', () => {
    const statements = statementsOf(template, 'HostRole');
    const bucket = `<${one('AWS::S3::Bucket', 'MailboxBucket').id}.Arn>`;
    const onBucket = statements.filter((statement) =>
      actionsOf([statement]).some((action) => action.startsWith('s3:')),
    );
    expect(onBucket.map((statement) => [actionsOf([statement]), readable(statement.Resource)])).toEqual([
      [['s3:GetObject', 's3:PutObject'], `${bucket}/hosts/\${aws:userid}/*`],
      [['s3:GetObject'], `${bucket}/agent/*`],
    ]);
    const rest = actionsOf(statements.filter((statement) => !onBucket.includes(statement)));
    expect(rest.filter((action) => !/^(ssmmessages|ec2messages):/.test(action))).toEqual([
      'ssm:UpdateInstanceInformation',
    ]);
    template.hasResourceProperties('AWS::IAM::Role', {
      AssumeRolePolicyDocument: Match.objectLike({
        Statement: [Match.objectLike({ Principal: { Service: 'ec2.amazonaws.com' } })],
      }),
      ManagedPolicyArns: Match.absent(),
    });
  });

  test('is rung with a number and nothing else: the value is never part of the command', () => {
    const { Properties } = one('AWS::SSM::Document', 'RingDocument');
    expect(Properties['DocumentType']).toBe('Command');
    const content = Properties['Content'] as {
      schemaVersion: string;
      parameters: object;
      mainSteps: object[];
    };
    expect(content.schemaVersion).toBe('2.2');
    expect(content.parameters).toEqual({
      Generation: expect.objectContaining({
        type: 'String',
        allowedPattern: '^[0-9]{1,9}$',
        interpolationType: 'ENV_VAR',
      }),
    });
    expect(content.mainSteps).toEqual([
      expect.objectContaining({
        action: 'aws:runShellScript',
        inputs: expect.objectContaining({ runCommand: ['eph-agent ring "$SSM_Generation"'] }),
      }),
    ]);
    expect(JSON.stringify(content)).not.toContain('{{');
  });
});

describe('the functions', () => {
  test('run on Node 24 on arm64, log for 30 days, and take no concurrency from the account', () => {
    template.allResourcesProperties('AWS::Lambda::Function', {
      Runtime: 'nodejs24.x',
      Architectures: ['arm64'],
      Timeout: 60,
      MemorySize: 512,
      ReservedConcurrentExecutions: Match.absent(),
    });
    template.resourceCountIs('AWS::Lambda::Function', 2);
    template.resourceCountIs('AWS::Logs::LogGroup', 2);
    template.allResourcesProperties('AWS::Logs::LogGroup', { RetentionInDays: 30 });
  });

  test('are told the same, secrets by name only', () => {
    const told = (prefix: string) =>
      (
        one('AWS::Lambda::Function', prefix).Properties['Environment'] as {
          Variables: Record<string, unknown>;
        }
      ).Variables;
    const deployer = told('DeployerFunction');
    expect(told('CleanupFunction')).toEqual(deployer);
    expect(Object.keys(deployer).sort()).toEqual(
      `ACCESS_AUD ACCESS_TEAM AGENT_SHA256 BUILDS_TABLE CLOUDFLARE_ACCOUNT_ID CLOUDFLARE_API_URL
       CLOUDFLARE_TOKEN_PARAMETER DEAD_LETTER_QUEUE_URL DEFAULT_INSTANCE_TYPES DEFAULT_INSTANCE_TYPES_ARM64
       DEPLOYMENT_ID ENVIRONMENTS_TABLE EVENTS_TABLE GITHUB_API_URL GITHUB_APP_ID GITHUB_APP_KEY_PARAMETER
       HOSTS_TABLE HOST_ROLE_ID IDLE_STOP_SECONDS IMAGE_ARM64_PARAMETER IMAGE_PARAMETER JOB_QUEUE_URL
       LAUNCH_TEMPLATE_ID LAUNCH_TEMPLATE_VERSION MAILBOX_BUCKET NAME_KEY_PARAMETER NODE_OPTIONS
       PAUSED_PARAMETER PREVIEW_SUFFIX PREVIEW_URL_TEMPLATE PREVIEW_ZONE PREVIEW_ZONE_ID PROVISION_SHA256 REPOSITORIES
       REPOSITORY_SECRETS_PATH RING_DOCUMENT SUBNET_IDS TERMINATE_AFTER_SECONDS`
        .split(/\s+/)
        .sort(),
    );
  });

  test('are told everything that they read at their start, in a form that they accept', () => {
    const { Variables } = one('AWS::Lambda::Function', 'DeployerFunction').Properties['Environment'] as {
      Variables: Record<string, unknown>;
    };
    const told = Object.entries(Variables).map(([name, value]) => {
      const text = readable(value);
      return [name, name.endsWith('_QUEUE_URL') ? `https://sqs.example/${text}` : text];
    });
    // Lambda itself says AWS_REGION.
    const config = loadConfig({ ...Object.fromEntries(told), AWS_REGION: 'us-east-1' });
    expect(config.SUBNET_IDS).toHaveLength(3);
    expect(config.DEFAULT_INSTANCE_TYPES).toEqual(['t3.small', 't3a.small']);
    expect(config.IDLE_STOP_SECONDS).toBe(1_209_600);
  });

  test('are woken by the clock: what is due every 15 minutes, the comparison every hour', () => {
    const scheduled = Object.values(resourcesOf(template, 'AWS::Events::Rule')).filter(
      ({ Properties }) => 'ScheduleExpression' in Properties,
    );
    const rules = scheduled.map(({ Properties }) => ({
      every: Properties['ScheduleExpression'],
      state: Properties['State'],
      targets: (Properties['Targets'] as { Arn: unknown; Input: string }[]).map(({ Arn, Input }) => [
        readable(Arn),
        JSON.parse(Input),
      ]),
    }));
    const cleanup = `<${one('AWS::Lambda::Function', 'CleanupFunction').id}.Arn>`;
    expect(rules).toEqual([
      { every: 'rate(15 minutes)', state: 'ENABLED', targets: [[cleanup, { task: 'due' }]] },
      { every: 'rate(1 hour)', state: 'ENABLED', targets: [[cleanup, { task: 'compare' }]] },
    ]);
  });
});

describe('alarms', () => {
  const alarms = () =>
    Object.entries(resourcesOf(template, 'AWS::CloudWatch::Alarm')).map(([id, { Properties }]) => ({
      id,
      ...Properties,
    }));

  test('watch dead letters, both functions, throttles and environments that are stuck', () => {
    expect(alarms().map(({ id }) => id.replace(/^Alarms(.*)........$/, '$1'))).toEqual([
      'DeadLetters',
      'DeployerErrors',
      'CleanupErrors',
      'Throttles',
      'StuckEnvironments',
    ]);
    template.hasResourceProperties('AWS::CloudWatch::Alarm', {
      MetricName: 'ApproximateNumberOfMessagesVisible',
      Dimensions: [
        {
          Name: 'QueueName',
          Value: { 'Fn::GetAtt': [one('AWS::SQS::Queue', 'JobQueueDeadLetters').id, 'QueueName'] },
        },
      ],
      Threshold: 1,
      EvaluationPeriods: 1,
    });
  });

  test('say what to do, are quiet while nothing runs, and tell nobody who did not ask', () => {
    template.allResourcesProperties('AWS::CloudWatch::Alarm', {
      ComparisonOperator: 'GreaterThanOrEqualToThreshold',
      TreatMissingData: 'notBreaching',
      AlarmDescription: Match.stringLikeRegexp('^Eph local: .*(make |DEPLOYER_CONCURRENCY)'),
      AlarmActions: Match.absent(),
    });
    template.resourceCountIs('AWS::SNS::Topic', 0);
  });

  test("count stuck environments from the cleanup's log line of the hourly comparison", () => {
    const line = { level: 'info', message: 'environments', total: 3, stuck: 2, stuckKeys: ['1/2', '1/3'] };
    const { Properties } = one('AWS::Logs::MetricFilter', 'AlarmsStuck');
    expect(Properties['LogGroupName']).toEqual({ Ref: one('AWS::Logs::LogGroup', 'CleanupLogs').id });
    const [, field, text] = /^\{ \$\.(\w+) = "(.+)" \}$/.exec(String(Properties['FilterPattern'])) ?? [];
    expect(line).toMatchObject({ [field ?? '']: text });
    const [transformation] = Properties['MetricTransformations'] as Record<string, string>[];
    expect(transformation).toMatchObject({ MetricNamespace: 'Eph/local', MetricName: 'StuckEnvironments' });
    expect(line).toHaveProperty(transformation?.['MetricValue']?.replace('$.', '') ?? '', 2);
    const stuck = alarms().find(({ id }) => id.includes('StuckEnvironments'));
    expect(stuck).toMatchObject({ Namespace: 'Eph/local', MetricName: 'StuckEnvironments', Threshold: 1 });
  });
});

test('the operator is told by the stack itself where everything is', () => {
  expect(Object.keys(template.findOutputs('*')).sort()).toEqual(
    `BuildsTable CleanupFunctionName CleanupLogGroup DeadLetterQueueUrl DeployerFunctionName DeployerLogGroup
     EnvironmentsTable EventsTable HostRoleName HostSecurityGroupId HostSubnetIds HostsTable JobQueueUrl
     LaunchTemplateId MailboxBucketName RingDocumentName WorkerUserName`.split(/\s+/),
  );
});

describe('rights', () => {
  const launchConditions = (sid: string) =>
    statementsOf(template, 'DeployerRole').find(({ Sid }) => Sid === sid)?.Condition;

  test('are never given with a wildcard for the action', () => {
    const allowed = [
      ...policyStatements('AWS::IAM::Policy'),
      ...policyStatements('AWS::SQS::QueuePolicy'),
      ...policyStatements('AWS::S3::BucketPolicy'),
    ].filter(({ Effect }) => Effect === 'Allow');
    expect(actionsOf(allowed).filter((action) => action.includes('*'))).toEqual([]);
    expect(allowed.filter((statement) => 'NotAction' in statement || 'NotResource' in statement)).toEqual([]);
  });

  test('on everything are given for questions only, and for the channels of the SSM agent', () => {
    const everywhere = policyStatements('AWS::IAM::Policy').filter(({ Resource }) => Resource === '*');
    expect(
      actionsOf(everywhere).filter(
        (action) => !/^(ssmmessages|ec2messages):|:(Describe|Get|List)/.test(action),
      ),
    ).toEqual(['ssm:UpdateInstanceInformation']);
  });

  test('launch only from our template and only what carries our tag, disk included', () => {
    const ours = { 'aws:RequestTag/eph:deployment': 'local' };
    expect(launchConditions('LaunchTagged')).toMatchObject({ StringEquals: ours });
    expect(readable(launchConditions('LaunchTagged')?.['ArnEquals']?.['ec2:LaunchTemplate'])).toContain(
      `launch-template/<${one('AWS::EC2::LaunchTemplate', 'HostTemplate').id}>`,
    );
    expect(launchConditions('LaunchTaggedDisk')).toEqual({ StringEquals: ours });
    expect(launchConditions('TagAtLaunch')).toEqual({
      StringEquals: { ...ours, 'ec2:CreateAction': 'RunInstances' },
    });
  });

  test('to start, stop, terminate and ring end at our tag', () => {
    const touching = /^ec2:(Start|Stop|Terminate)Instances$|^ssm:SendCommand$/;
    const touchingOf = (role: string) =>
      statementsOf(template, role).filter((statement) =>
        actionsOf([statement]).some((action) => touching.test(action)),
      );
    const document = one('AWS::SSM::Document', 'RingDocument').id;
    for (const { Condition, Resource, Sid } of [
      ...touchingOf('DeployerRole'),
      ...touchingOf('CleanupRole'),
    ]) {
      if (Sid === 'RingDocument') {
        expect(readable(Resource)).toContain(`:document/<${document}>`);
        continue;
      }
      const conditions = Object.entries(Condition?.['StringEquals'] ?? {});
      expect(conditions).toEqual([[expect.stringMatching(/[rR]esourceTag\/eph:deployment$/), 'local']]);
    }
    expect(actionsOf(touchingOf('DeployerRole'))).toEqual([
      'ec2:StartInstances',
      'ec2:StopInstances',
      'ec2:TerminateInstances',
      'ssm:SendCommand',
      'ssm:SendCommand',
    ]);
    expect(actionsOf(touchingOf('CleanupRole'))).toEqual(['ec2:TerminateInstances']);
  });

  test("to hand on a role end at that of hosts, to EC2, and are the deployer's alone", () => {
    const passing = policyStatements('AWS::IAM::Policy').filter((statement) =>
      actionsOf([statement]).includes('iam:PassRole'),
    );
    expect(passing).toHaveLength(1);
    expect(statementsOf(template, 'DeployerRole')).toContainEqual(passing[0]);
    expect(readable(passing[0]?.Resource)).toBe(`<${one('AWS::IAM::Role', 'HostRole').id}.Arn>`);
    expect(readable(passing[0]?.Condition?.['StringEquals']?.['iam:PassedToService'])).toBe(
      'ec2.<AWS::URLSuffix>',
    );
  });

  test("to read parameters end at those that are named; only the deployer asks for images and applications' secrets", () => {
    const parametersOf = (role: string) =>
      statementsOf(template, role)
        .filter((statement) => actionsOf([statement]).some((action) => action.startsWith('ssm:GetParam')))
        .flatMap(({ Resource }) =>
          readable(Resource)
            .replaceAll(/arn:\S*:parameter/g, '')
            .split(', '),
        );
    const secrets = ['/eph/local/github-app-key', '/eph/local/cloudflare-token', '/eph/local/name-key'];
    expect(parametersOf('CleanupRole')).toEqual(secrets);
    expect(parametersOf('DeployerRole')).toEqual([
      ...secrets,
      '/eph/local/host-image',
      '/eph/local/host-image-arm64',
      '/eph/local/paused',
      '/eph/local/repositories/*',
    ]);
  });

  test("to read dead letters are the cleanup's alone", () => {
    const dead = `<${one('AWS::SQS::Queue', 'JobQueueDeadLetters').id}.Arn>`;
    const onDead = (role: string) =>
      actionsOf(statementsOf(template, role).filter(({ Resource }) => readable(Resource) === dead));
    expect(onDead('DeployerRole')).toEqual([]);
    expect(onDead('CleanupRole')).toEqual(['sqs:DeleteMessage', 'sqs:ReceiveMessage']);
  });
});
