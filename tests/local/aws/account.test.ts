import {
  CloudWatchLogsClient,
  DeleteLogGroupCommand,
  DescribeLogGroupsCommand,
  FilterLogEventsCommand,
} from '@aws-sdk/client-cloudwatch-logs';
import {
  DeleteSnapshotCommand,
  DeregisterImageCommand,
  DescribeImagesCommand,
  DescribeInstanceTypeOfferingsCommand,
  DescribeRouteTablesCommand,
  DescribeSnapshotsCommand,
  DescribeSubnetsCommand,
  DescribeVpcBlockPublicAccessOptionsCommand,
  EC2Client,
  RunInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import {
  CreateAccessKeyCommand,
  DeleteAccessKeyCommand,
  IAMClient,
  ListAccessKeysCommand,
  UpdateAccessKeyCommand,
} from '@aws-sdk/client-iam';
import { GetAccountSettingsCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { GetServiceQuotaCommand, ServiceQuotasClient } from '@aws-sdk/client-service-quotas';
import { ReceiveMessageCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { GetParametersCommand, SSMClient } from '@aws-sdk/client-ssm';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { defaultImage } from '../../../local/aws/start-aws.ts';
import { clientOptions, eventually, type LocalStack, startLocalStack } from './local-stack.ts';

let stack: LocalStack;
let root: ReturnType<typeof clientOptions>;
let ec2: EC2Client;

beforeAll(async () => {
  stack = await startLocalStack();
  root = clientOptions(stack.aws, stack.aws.credentials.root());
  ec2 = new EC2Client(root);
});
afterAll(() => stack.close());

const launch = (ImageId: string) =>
  ec2.send(
    new RunInstancesCommand({
      LaunchTemplate: { LaunchTemplateName: 'hosts', Version: '1' },
      ImageId,
      InstanceType: 't3.small',
      SubnetId: stack.aws.stack.subnets[0]?.id,
      MinCount: 1,
      MaxCount: 1,
    }),
  );

describe('access keys of an IAM user', () => {
  test('has at most two; one that is switched off opens nothing, and works again when it is switched on', async () => {
    const iam = new IAMClient(root);
    const UserName = stack.aws.stack.users[0]?.name ?? '';
    const first = (await iam.send(new CreateAccessKeyCommand({ UserName }))).AccessKey;
    const second = (await iam.send(new CreateAccessKeyCommand({ UserName }))).AccessKey;
    await expect(iam.send(new CreateAccessKeyCommand({ UserName }))).rejects.toMatchObject({
      name: 'LimitExceededException',
    });
    const AccessKeyId = first?.AccessKeyId ?? '';
    const secret = first?.SecretAccessKey ?? '';
    const sqs = new SQSClient(
      clientOptions(stack.aws, { AWS_ACCESS_KEY_ID: AccessKeyId, AWS_SECRET_ACCESS_KEY: secret }),
    );
    const send = new SendMessageCommand({ QueueUrl: stack.aws.queueUrl('reports'), MessageBody: 'hello' });

    await sqs.send(send);

    await iam.send(new UpdateAccessKeyCommand({ UserName, AccessKeyId, Status: 'Inactive' }));
    await expect(sqs.send(send)).rejects.toMatchObject({ name: 'InvalidClientTokenId' });
    expect((await iam.send(new ListAccessKeysCommand({ UserName }))).AccessKeyMetadata).toMatchObject([
      { AccessKeyId, Status: 'Inactive' },
      { AccessKeyId: second?.AccessKeyId, Status: 'Active' },
    ]);
    await iam.send(new UpdateAccessKeyCommand({ UserName, AccessKeyId, Status: 'Active' }));
    await sqs.send(send);

    await iam.send(new DeleteAccessKeyCommand({ UserName, AccessKeyId }));
    await expect(sqs.send(send)).rejects.toMatchObject({ name: 'InvalidClientTokenId' });
    await expect(iam.send(new DeleteAccessKeyCommand({ UserName, AccessKeyId }))).rejects.toMatchObject({
      name: 'NoSuchEntityException',
    });
  });

  test('a user that does not exist is named in the error', async () => {
    await expect(new IAMClient(root).send(new ListAccessKeysCommand({ UserName: 'nobody' }))).rejects.toThrow(
      'The user with name nobody cannot be found',
    );
  });
});

test('the identity of a signed request is given with the account', async () => {
  expect(await new STSClient(root).send(new GetCallerIdentityCommand({}))).toMatchObject({
    Account: '000000000000',
    Arn: 'arn:aws:iam::000000000000:root',
  });
});

describe('machine images', () => {
  test('are found by owner and tag; a deregistered one is gone at once, and launches of it are refused', async () => {
    const image = stack.aws.images.register({ name: 'hosts-1', tags: { 'eph:deployment': 'local' } });
    const Filters = [{ Name: 'tag:eph:deployment', Values: ['local'] }];
    const find = async () =>
      (await ec2.send(new DescribeImagesCommand({ Owners: ['self'], Filters }))).Images ?? [];

    expect(await find()).toMatchObject([{ ImageId: image.id, Name: 'hosts-1', State: 'available' }]);
    const { Instances } = await launch(image.id);
    expect(Instances).toMatchObject([{ ImageId: image.id }]);
    await ec2.send(new DeregisterImageCommand({ ImageId: image.id }));
    expect(await find()).toEqual([]);
    await expect(launch(image.id)).rejects.toMatchObject({ name: 'InvalidAMIID.NotFound' });
    const InstanceIds = Instances?.flatMap(({ InstanceId = '' }) => InstanceId) ?? [];
    await ec2.send(new TerminateInstancesCommand({ InstanceIds }));
  });

  test('a snapshot stays behind its image, and cannot be deleted before it', async () => {
    const image = stack.aws.images.register({ name: 'hosts-2', tags: { kind: 'second' } });
    const SnapshotId = image.snapshotId;
    const own = async () =>
      (
        await ec2.send(
          new DescribeSnapshotsCommand({
            OwnerIds: ['self'],
            Filters: [{ Name: 'tag:kind', Values: ['second'] }],
          }),
        )
      ).Snapshots;

    await expect(ec2.send(new DeleteSnapshotCommand({ SnapshotId }))).rejects.toMatchObject({
      name: 'InvalidSnapshot.InUse',
    });
    await ec2.send(new DeregisterImageCommand({ ImageId: image.id }));
    expect(await own()).toMatchObject([{ SnapshotId }]);
    await ec2.send(new DeleteSnapshotCommand({ SnapshotId }));
    expect(await own()).toEqual([]);
  });

  test("Amazon's own are read from the public parameter, and cannot be deregistered by us", async () => {
    const Name = '/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64';
    const { Parameters } = await new SSMClient(root).send(new GetParametersCommand({ Names: [Name] }));
    expect(Parameters).toMatchObject([{ Value: defaultImage }]);
    await expect(ec2.send(new DeregisterImageCommand({ ImageId: defaultImage }))).rejects.toMatchObject({
      name: 'AuthFailure',
    });
  });
});

describe('limits of an account that can prevent a deploy', () => {
  test('the reported vCPU quota is the one that applies to launches', async () => {
    const quotas = new ServiceQuotasClient(root);
    const asked = new GetServiceQuotaCommand({ ServiceCode: 'ec2', QuotaCode: 'L-1216C47A' });
    stack.aws.ec2.knobs.vcpuLimit = 1;
    expect((await quotas.send(asked)).Quota?.Value).toBe(1);
    await expect(launch(defaultImage)).rejects.toMatchObject({ name: 'VcpuLimitExceeded' });
    stack.aws.ec2.knobs.vcpuLimit = 1152;
    await expect(
      quotas.send(new GetServiceQuotaCommand({ ServiceCode: 'ec2', QuotaCode: 'L-0' })),
    ).rejects.toMatchObject({ name: 'NoSuchResourceException' });
  });

  test("Lambda's limit of the account", async () => {
    stack.aws.lambdaAccount.concurrentExecutions = 10;
    const { AccountLimit } = await new LambdaClient(root).send(new GetAccountSettingsCommand({}));
    expect(AccountLimit?.ConcurrentExecutions).toBe(10);
  });

  test('VPC Block Public Access, subnets, their routes, and which types a region has', async () => {
    stack.aws.network.knobs.blockPublicAccess = 'block-bidirectional';
    stack.aws.network.knobs.unknownTypes.add('t4g.small');
    const options = await ec2.send(new DescribeVpcBlockPublicAccessOptionsCommand({}));
    expect(options.VpcBlockPublicAccessOptions?.InternetGatewayBlockMode).toBe('block-bidirectional');
    const { Subnets = [] } = await ec2.send(new DescribeSubnetsCommand({}));
    expect(Subnets).toMatchObject([{ MapPublicIpOnLaunch: true, AvailabilityZone: 'us-east-1a' }]);
    const { RouteTables } = await ec2.send(
      new DescribeRouteTablesCommand({
        Filters: [{ Name: 'association.subnet-id', Values: [Subnets[0]?.SubnetId ?? ''] }],
      }),
    );
    expect(RouteTables?.[0]?.Routes?.map(({ DestinationCidrBlock }) => DestinationCidrBlock)).toContain(
      '0.0.0.0/0',
    );
    const offered = await ec2.send(
      new DescribeInstanceTypeOfferingsCommand({
        Filters: [{ Name: 'instance-type', Values: ['t3.small', 't4g.small'] }],
      }),
    );
    expect(offered.InstanceTypeOfferings?.map(({ InstanceType }) => InstanceType)).toEqual(['t3.small']);
  });
});

describe('logs', () => {
  test("a function's output is found by words and time, page by page", async () => {
    const logs = new CloudWatchLogsClient(root);
    const { logGroups } = await logs.send(
      new DescribeLogGroupsCommand({ logGroupNamePrefix: '/aws/lambda/' }),
    );
    const logGroupName = logGroups?.[0]?.logGroupName ?? '';
    for (const say of ['one apple', 'two pears', 'three "red" apples'])
      await stack.aws.invoke('Worker', { say });
    const filter = async (filterPattern: string, more: object = {}) =>
      logs.send(new FilterLogEventsCommand({ logGroupName, filterPattern, ...more }));
    await eventually(async () => (await filter('apple')).events?.length === 2);

    expect((await filter('"\\"red\\"" three')).events?.map(({ message }) => message)).toEqual([
      'three "red" apples',
    ]);
    const page = await filter('', { limit: 1 });
    expect(page.events).toHaveLength(1);
    expect((await filter('', { limit: 1, nextToken: page.nextToken })).events?.[0]?.message).toBe(
      'two pears',
    );
    expect((await filter('', { startTime: Date.now() + 60_000 })).events).toEqual([]);

    await logs.send(new DeleteLogGroupCommand({ logGroupName }));
    await expect(filter('')).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
  });
});

test('a machine that changes its state is reported to the rules that match', async () => {
  const { Instances } = await launch(defaultImage);
  const id = Instances?.[0]?.InstanceId ?? '';
  await ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
  const sqs = new SQSClient(root);
  const bodies: string[] = [];
  await eventually(async () => {
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({ QueueUrl: stack.aws.queueUrl('reports'), MaxNumberOfMessages: 10 }),
    );
    bodies.push(...Messages.map(({ Body = '' }) => Body).filter((body) => body.includes(id)));
    return bodies.length > 0;
  });
  expect(bodies).toEqual([`{"machine":"${id}","line":"terminated"}`]);
});
