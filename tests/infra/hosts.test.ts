import { Match, type Template } from 'aws-cdk-lib/assertions';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  actionsOf,
  oneOf,
  readable,
  resourcesOf,
  type Statement,
  statementsOf,
  synthesise,
} from './template.ts';

let template: Template;
beforeAll(async () => {
  template = await synthesise();
});
const one = (type: string, prefix: string) => oneOf(template, type, prefix);

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

  test('answers metadata requests in version 2 only, and not to containers behind a bridge', () => {
    expect(launch()['MetadataOptions']).toEqual({
      HttpEndpoint: 'enabled',
      HttpTokens: 'required',
      HttpPutResponseHopLimit: 1,
      HttpProtocolIpv6: 'disabled',
      InstanceMetadataTags: 'disabled',
    });
  });

  test('has an encrypted disk that is deleted with it, and stops when it is shut down from inside', () => {
    expect(launch()['BlockDeviceMappings']).toEqual([
      {
        DeviceName: '/dev/xvda',
        Ebs: { VolumeType: 'gp3', VolumeSize: 20, Encrypted: true, DeleteOnTermination: true },
      },
    ]);
    expect(launch()['InstanceInitiatedShutdownBehavior']).toBe('stop');
  });

  test('may have any type, also one without CPU credits', () => {
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

  test('is notified with a number and nothing else: the value is never part of the command', () => {
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

describe('machines that were switched off', () => {
  test('are reported by EC2 straight to the queue, and no other sender can do so in its name', () => {
    const queue = one('AWS::SQS::Queue', 'JobQueueJobs').id;
    const rule = one('AWS::Events::Rule', 'MachineEvents');
    expect(rule.Properties).toMatchObject({
      EventPattern: {
        source: ['aws.ec2'],
        'detail-type': ['EC2 Instance State-change Notification'],
        detail: { state: ['stopped', 'terminated'] },
      },
      // The target has no input: the event arrives as EC2 sends it.
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
