import {
  DescribeInstancesCommand,
  EC2Client,
  RunInstancesCommand,
  type RunInstancesCommandInput,
  StartInstancesCommand,
  StopInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import {
  DescribeInstanceInformationCommand,
  GetCommandInvocationCommand,
  SendCommandCommand,
  SSMClient,
} from '@aws-sdk/client-ssm';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { defaultImage } from '../../../local/aws/start-aws.ts';
import { clientOptions, eventually, type LocalStack, startLocalStack } from './local-stack.ts';

let stack: LocalStack;
let ec2: EC2Client;
let owner: EC2Client;
let ssm: SSMClient;

beforeAll(async () => {
  stack = await startLocalStack();
  stack.aws.machines.knobs.agentDelayMs = 10;
  owner = new EC2Client(clientOptions(stack.aws, stack.aws.credentials.root()));
  ec2 = new EC2Client(clientOptions(stack.aws, stack.aws.credentials.role('WorkerRole', 'test')));
  ssm = new SSMClient(clientOptions(stack.aws, stack.aws.credentials.root()));
});
afterAll(() => stack.close());
beforeEach(() => {
  Object.assign(stack.driver, { failBoots: 0, hang: false });
  stack.aws.machines.knobs.agentNeverUp = false;
});

function launch(token: string, more: Partial<RunInstancesCommandInput> = {}) {
  const Tags = [{ Key: 'app', Value: 'eph' }];
  return new RunInstancesCommand({
    LaunchTemplate: { LaunchTemplateName: 'hosts', Version: '1' },
    ImageId: defaultImage,
    InstanceType: 't3.small',
    SubnetId: stack.aws.stack.subnets[0]?.id,
    MinCount: 1,
    MaxCount: 1,
    ClientToken: token,
    UserData: Buffer.from('{"v":1}').toString('base64'),
    TagSpecifications: ['instance' as const, 'volume' as const].map((ResourceType) => ({
      ResourceType,
      Tags,
    })),
    ...more,
  });
}

async function launched(token: string): Promise<string> {
  const { Instances } = await ec2.send(launch(token));
  return Instances?.[0]?.InstanceId ?? '';
}

const describeOne = async (id: string) => {
  const { Reservations } = await owner.send(new DescribeInstancesCommand({ InstanceIds: [id] }));
  return Reservations?.[0]?.Instances?.[0];
};
const isState = (id: string, state: string) =>
  eventually(async () => (await describeOne(id))?.State?.Name === state);
const ring = (id: string, Generation = '7') =>
  ssm.send(
    new SendCommandCommand({
      DocumentName: 'ring',
      InstanceIds: [id],
      Parameters: { Generation: [Generation] },
    }),
  );
const isOnline = (id: string) =>
  eventually(async () => {
    const filter = { Filters: [{ Key: 'InstanceIds', Values: [id] }] };
    return (
      (await ssm.send(new DescribeInstanceInformationCommand(filter))).InstanceInformationList?.length === 1
    );
  });
const invocationEnds = (id: string, CommandId = '') =>
  eventually(async () => {
    const found = await ssm.send(new GetCommandInvocationCommand({ CommandId, InstanceId: id }));
    return found.Status === 'Pending' || found.Status === 'InProgress' ? undefined : found;
  });

test('a host lives from launch to termination, on a machine with metadata and the role of its profile', async () => {
  const id = await launched('life');
  await isState(id, 'running');
  const [boot] = stack.driver.machines.get(id)?.boots ?? [];
  expect(boot).toMatchObject({ userData: '{"v":1}', first: true });

  const metadata = boot?.imds.url;
  expect((await fetch(`${metadata}/latest/meta-data/instance-id`)).status).toBe(401);
  const headers = { 'x-aws-ec2-metadata-token-ttl-seconds': '60' };
  const token = await (await fetch(`${metadata}/latest/api/token`, { method: 'PUT', headers })).text();
  const read = async (path: string) =>
    (await fetch(`${metadata}/latest/${path}`, { headers: { 'x-aws-ec2-metadata-token': token } })).text();
  expect(await read('meta-data/instance-id')).toBe(id);
  expect(await read('user-data')).toBe('{"v":1}');
  const role = await read('meta-data/iam/security-credentials/');
  expect(JSON.parse(await read(`meta-data/iam/security-credentials/${role}`))).toMatchObject({
    AccessKeyId: expect.stringMatching(/^ASIA/),
    Expiration: expect.any(String),
  });

  await ec2.send(new StopInstancesCommand({ InstanceIds: [id] }));
  await isState(id, 'stopped');
  expect(stack.driver.machines.get(id)?.power).toBe('off');
  await owner.send(new StartInstancesCommand({ InstanceIds: [id] }));
  await isState(id, 'running');
  expect(stack.driver.machines.get(id)?.boots.at(-1)?.first).toBe(false);

  expect(stack.aws.ec2.volumes()).toHaveLength(1);
  await ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
  await isState(id, 'terminated');
  expect(stack.aws.ec2.volumes()).toEqual([]);
  expect(stack.driver.machines.has(id)).toBe(false);
});

test('the same client token finds the same host; other parameters or a terminated host are refused', async () => {
  const id = await launched('same');
  expect(await launched('same')).toBe(id);
  await expect(ec2.send(launch('same', { InstanceType: 't3.medium' }))).rejects.toMatchObject({
    name: 'IdempotentParameterMismatch',
  });
  await ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
  await expect(ec2.send(launch('same'))).rejects.toMatchObject({ name: 'IdempotentInstanceTerminated' });
});

test('a launch whose policy misses one of its resources names that resource', async () => {
  const untagged = launch('untagged', {
    TagSpecifications: [{ ResourceType: 'instance', Tags: [{ Key: 'app', Value: 'eph' }] }],
  });
  await expect(ec2.send(untagged)).rejects.toMatchObject({
    name: 'UnauthorizedOperation',
    message: expect.stringContaining(
      'ec2:RunInstances on resource: arn:aws:ec2:us-east-1:000000000000:volume/*',
    ),
  });
});

test('an unknown id is refused with the code of EC2', async () => {
  const refusals: [Partial<RunInstancesCommandInput>, string][] = [
    [{ SubnetId: 'subnet-0123456789abcdef0' }, 'InvalidSubnetID.NotFound'],
    [{ ImageId: 'ami-0123456789abcdef0' }, 'InvalidAMIID.NotFound'],
    [{ LaunchTemplate: { LaunchTemplateId: 'lt-0123456789abcdef0' } }, 'InvalidLaunchTemplateId.NotFound'],
    [
      { LaunchTemplate: { LaunchTemplateName: 'hosts', Version: '2' } },
      'InvalidLaunchTemplateId.VersionNotFound',
    ],
    [
      { InstanceType: 'm7i.large', CreditSpecification: { CpuCredits: 'unlimited' } },
      'InstanceCreditSpecification.NotSupported',
    ],
    [
      { NetworkInterfaces: [{ DeviceIndex: 0, AssociatePublicIpAddress: true }] },
      'InvalidParameterCombination',
    ],
  ];
  for (const [parameters, name] of refusals) {
    await expect(owner.send(launch('refused', parameters))).rejects.toMatchObject({ name });
  }
});

test('a machine that does not boot is a terminated instance with the reason', async () => {
  stack.driver.failBoots = 1;
  const id = await launched('broken');
  await isState(id, 'terminated');
  expect((await describeOne(id))?.StateReason).toMatchObject({
    Code: 'Server.InternalError',
    Message: expect.stringContaining('the engine did not start'),
  });
});

test('a command is refused until the agent is online, then runs with the parameter in its environment', async () => {
  stack.aws.machines.knobs.agentNeverUp = true;
  const id = await launched('ring');
  await isState(id, 'running');
  await expect(ring(id)).rejects.toMatchObject({ name: 'InvalidInstanceId' });
  stack.aws.ssm.agentUp(id);
  await expect(ring(id, '7; rm -rf /')).rejects.toMatchObject({ name: 'InvalidParameters' });
  const { Command } = await ring(id);
  const done = await invocationEnds(id, Command?.CommandId);
  expect(done).toMatchObject({ Status: 'Success', ResponseCode: 0, StandardOutputContent: 'rang 7\n' });
  expect(stack.driver.ran.at(-1)).toMatchObject({
    script: 'eph-agent ring "$SSM_Generation"',
    env: { SSM_Generation: '7' },
  });
});

test('a command to a stopped host waits until it is up again', async () => {
  const id = await launched('asleep');
  await isOnline(id);
  await ec2.send(new StopInstancesCommand({ InstanceIds: [id] }));
  await isState(id, 'stopped');
  const { Command } = await ring(id, '8');
  await owner.send(new StartInstancesCommand({ InstanceIds: [id] }));
  expect(
    await eventually(async () => {
      const found = await ssm.send(
        new GetCommandInvocationCommand({ CommandId: Command?.CommandId, InstanceId: id }),
      );
      return found.Status === 'Success' && found.StandardOutputContent;
    }),
  ).toBe('rang 8\n');
});

test('a host that powers itself off is stopped, its agent is offline, and it can be started again', async () => {
  const id = await launched('dead-man');
  await isOnline(id);
  const boot = stack.driver.machines.get(id)?.boots[0];
  boot?.wentOff();
  await isState(id, 'stopped');
  expect((await describeOne(id))?.StateReason?.Code).toBe('Client.InstanceInitiatedShutdown');
  const filter = { Filters: [{ Key: 'InstanceIds', Values: [id] }] };
  const { InstanceInformationList } = await ssm.send(new DescribeInstanceInformationCommand(filter));
  expect(InstanceInformationList).toEqual([]);
  await owner.send(new StartInstancesCommand({ InstanceIds: [id] }));
  await isState(id, 'running');
  // A report of the machine before the start does not concern the machine after it.
  boot?.wentOff();
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect((await describeOne(id))?.State?.Name).toBe('running');
});

test('a metadata service answers only its own machine', async () => {
  const id = await launched('metadata');
  await isState(id, 'running');
  const imds = stack.driver.machines.get(id)?.boots[0]?.imds;
  const ask = () =>
    fetch(`${imds?.url}/latest/api/token`, {
      method: 'PUT',
      headers: { 'x-aws-ec2-metadata-token-ttl-seconds': '60', connection: 'close' },
    });
  expect((await ask()).status).toBe(200);
  imds?.answerOnly('127.0.0.2');
  await expect(ask()).rejects.toThrow('fetch failed');
});
