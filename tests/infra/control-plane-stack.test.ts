import { Match, type Template } from 'aws-cdk-lib/assertions';
import { beforeAll, describe, expect, test } from 'vitest';
import { settingsTable } from '../../infra/settings/settings-table.ts';
import { loadConfig } from '../../lambdas/config.ts';
import { oneOf, readable, resourcesOf, statementsOf, synthesise } from './template.ts';

let template: Template;
beforeAll(async () => {
  template = await synthesise();
});
const one = (type: string, prefix: string) => oneOf(template, type, prefix);

describe('the job queue', () => {
  test('hides a job for at least six times as long as a function may run', () => {
    const { Properties: queue } = one('AWS::SQS::Queue', 'JobQueueJobs');
    const functions = Object.values(resourcesOf(template, 'AWS::Lambda::Function'));
    expect(functions.length).toBeGreaterThan(1);
    for (const { Properties } of functions) {
      expect(queue['VisibilityTimeout']).toBeGreaterThanOrEqual(6 * Number(Properties['Timeout']));
    }
  });

  test('moves a job that failed five times to a queue where it stays longer than in its own', () => {
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

  test('is not FIFO, because FIFO has no delay per message', () => {
    template.hasResourceProperties('AWS::SQS::Queue', { FifoQueue: Match.absent() });
  });

  test('is encrypted and refuses plain HTTP, and so is the queue of dead letters', () => {
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

  test('is read one job at a time, and only a failed job is delivered again', () => {
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

  test('may call themselves through the queue only in the deployer, which sends timers', () => {
    const loopOf = (prefix: string) => one('AWS::Lambda::Function', prefix).Properties['RecursiveLoop'];
    expect([loopOf('DeployerFunction'), loopOf('CleanupFunction')]).toEqual(['Allow', undefined]);
  });

  test('all get the same settings, and secrets by name only', () => {
    const told = (prefix: string) =>
      (
        one('AWS::Lambda::Function', prefix).Properties['Environment'] as {
          Variables: Record<string, unknown>;
        }
      ).Variables;
    const deployer = told('DeployerFunction');
    expect(told('CleanupFunction')).toEqual(deployer);
    const resources =
      `BUILDS_TABLE CLOUDFLARE_TOKEN_PARAMETER DEAD_LETTER_QUEUE_URL ENVIRONMENTS_TABLE EVENTS_TABLE
       GITHUB_APP_KEY_PARAMETER HOSTS_TABLE HOST_ROLE_ID IMAGE_ARM64_PARAMETER IMAGE_PARAMETER JOB_QUEUE_URL
       LAUNCH_TEMPLATE_ID LAUNCH_TEMPLATE_VERSION MAILBOX_BUCKET NAME_KEY_PARAMETER NODE_OPTIONS PAUSED_PARAMETER
       REPOSITORY_SECRETS_PATH RING_DOCUMENT SUBNET_IDS`.split(/\s+/);
    const settings = settingsTable.filter(
      ({ readBy, optional }) => readBy.includes('functions') && !optional,
    );
    const all = [...resources, ...settings.map(({ name }) => name)];
    expect(Object.keys(deployer).sort()).toEqual(all.sort());
    expect(settings.filter(({ secret }) => secret)).toEqual([]);
  });

  test('get everything that they read at their start, in a form that they accept', () => {
    const { Variables } = one('AWS::Lambda::Function', 'DeployerFunction').Properties['Environment'] as {
      Variables: Record<string, unknown>;
    };
    const told = Object.entries(Variables).map(([name, value]) => {
      const text = readable(value);
      return [name, name.endsWith('_QUEUE_URL') ? `https://sqs.example/${text}` : text];
    });
    // Lambda itself sets AWS_REGION.
    const config = loadConfig({ ...Object.fromEntries(told), AWS_REGION: 'us-east-1' });
    expect(config.SUBNET_IDS).toHaveLength(3);
    expect(config.DEFAULT_INSTANCE_TYPES).toEqual(['t3.small', 't3a.small']);
    expect(config.IDLE_STOP_SECONDS).toBe(1_209_600);
  });

  test('are started by the schedule: every 15 minutes for rows that are due, every hour for the garbage collection', () => {
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

interface MetricQuery {
  Id: string;
  Expression?: string;
  MetricStat?: object;
}

describe('alarms', () => {
  const alarms = () =>
    Object.entries(resourcesOf(template, 'AWS::CloudWatch::Alarm')).map(([id, { Properties }]) => ({
      id,
      ...Properties,
    }));

  test('watch dead letters, both functions, throttles, stuck environments and lost installations', () => {
    expect(alarms().map(({ id }) => id.replace(/^Alarms(.*)........$/, '$1'))).toEqual([
      'DeadLetters',
      'DeployerErrors',
      'CleanupErrors',
      'Throttles',
      'StuckEnvironments',
      'LostInstallations',
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

  test('say what to do, do not start while nothing runs, and send mail only if an address is set', () => {
    template.allResourcesProperties('AWS::CloudWatch::Alarm', {
      ComparisonOperator: 'GreaterThanOrEqualToThreshold',
      TreatMissingData: 'notBreaching',
      AlarmDescription: Match.stringLikeRegexp('^Eph local: .*(make |DEPLOYER_CONCURRENCY)'),
      AlarmActions: Match.absent(),
    });
    template.resourceCountIs('AWS::SNS::Topic', 0);
  });

  test('count a missing number as none where they add up several', () => {
    const sums = Object.values(resourcesOf(template, 'AWS::CloudWatch::Alarm')).map(
      ({ Properties }) => (Properties['Metrics'] ?? []) as MetricQuery[],
    );
    const summed = sums.filter((metrics) => metrics.some(({ Expression }) => Expression));
    expect(summed).toHaveLength(1);
    for (const metrics of summed) {
      const [{ Expression = '' } = {}] = metrics.filter((one) => one.Expression);
      const ids = metrics.filter(({ MetricStat }) => MetricStat).map(({ Id }) => Id);
      expect(Expression.split(' + ')).toEqual(ids.map((id) => `FILL(${id}, 0)`));
    }
  });

  test("count stuck environments from the cleanup's log line of the hourly garbage collection", () => {
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

test('count installations that are lost together from the deployer’s log line', () => {
  const line = { level: 'error', message: 'access lost at once', access: '7', lost: 2 };
  const { Properties } = one('AWS::Logs::MetricFilter', 'AlarmsLost');
  expect(Properties['LogGroupName']).toEqual({ Ref: one('AWS::Logs::LogGroup', 'DeployerLogs').id });
  expect(Properties['FilterPattern']).toBe(`{ $.message = "${line.message}" }`);
  expect(Properties['MetricTransformations']).toMatchObject([{ MetricValue: '$.lost' }]);
});

test('the stack’s outputs tell the operator where everything is', () => {
  expect(Object.keys(template.findOutputs('*')).sort()).toEqual(
    `BuildsTable CleanupFunctionName CleanupLogGroup DeadLetterQueueUrl DeployerFunctionName DeployerLogGroup
     EnvironmentsTable EventsTable HostRoleName HostSecurityGroupId HostSubnetIds HostsTable JobQueueUrl
     LaunchTemplateId MailboxBucketName RingDocumentName WorkerUserName`.split(/\s+/),
  );
});
