import { EC2Client } from '@aws-sdk/client-ec2';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Arch } from '#core/preview-config';
import { ec2Machines } from '../../../lambdas/providers/ec2/ec2-machines.ts';
import type { Machines } from '../../../lambdas/providers/ec2/ec2-ports.ts';
import type { Ec2 } from '../../../local/aws/ec2.ts';
import { createEc2 } from '../../../local/aws/ec2.ts';
import { fakeMachines } from '../../fakes/fake-machines.ts';
import { sampleRequirements } from '../../fakes/sample-state.ts';
import { startEc2Wire } from './wire-servers.ts';

const launchTemplateId = 'lt-0e0e0e0e0e0e0e0e0';
const imageId = 'ami-0e0e0e0e0e0e0e0e0';
const subnetIds = ['subnet-a', 'subnet-b'];
const image = async (arch: Arch) => (arch === 'amd64' ? imageId : undefined);
const clock = { now: 0, ids: 0 };
const ec2: Ec2 = createEc2({
  now: () => clock.now,
  newId: () => {
    clock.ids += 1;
    return clock.ids.toString(16).padStart(17, '0');
  },
  subnets: subnetIds.map((id, n) => ({
    id,
    zone: `us-east-1${'ab'.charAt(n)}`,
    vpcId: 'vpc',
    publicIp: true,
  })),
  launchTemplates: [
    { id: launchTemplateId, name: 'hosts', defaultVersion: 1, versions: [{ version: 1, data: {} }] },
  ],
  image: (id) => id,
});
let wire: Awaited<ReturnType<typeof startEc2Wire>>;

beforeAll(async () => {
  wire = await startEc2Wire(ec2);
});
afterAll(() => wire?.close());
beforeEach(() => {
  clock.now += 100 * 60 * 60 * 1_000;
  Object.assign(ec2.knobs, { staleReadMs: 0, transitionMs: 0, vcpuLimit: Number.POSITIVE_INFINITY });
  ec2.knobs.noCapacityIn.clear();
  ec2.faults.clear();
});

const kinds: [string, () => Machines][] = [
  ['the fake', () => fakeMachines(ec2, { deploymentId: 'test', subnetIds, launchTemplateId, image })],
  [
    'the EC2 SDK',
    () =>
      ec2Machines(wire.client, {
        deploymentId: 'test',
        subnetIds,
        launchTemplateId,
        launchTemplateVersion: '1',
        image,
      }),
  ],
];

let tokens = 0;
async function intent(machines: Machines) {
  tokens += 1;
  return {
    ...(await machines.launchParameters(1, sampleRequirements)),
    clientToken: `token-${tokens}`,
    userData: btoa(`{"n":${tokens}}`),
  };
}

describe.each(kinds)('machines with %s', (_with, make) => {
  it('are launched once for one intent, with marks, in the subnet of the attempt', async () => {
    const machines = make();
    expect(
      await machines.launchParameters(2, { ...sampleRequirements, instanceTypes: ['t3.large'] }),
    ).toEqual({
      subnetId: 'subnet-b',
      instanceType: 't3.large',
      imageId,
      launchTemplateId,
      launchTemplateVersion: '1',
    });
    const before = (await machines.list()).length;
    const wanted = await intent(machines);
    const { instanceId } = await machines.launch(wanted, '1#2', 1);
    expect(await machines.launch(wanted, '1#2', 1)).toEqual({ instanceId });
    expect(await machines.list()).toHaveLength(before + 1);
    expect(await machines.findByToken(wanted.clientToken)).toEqual({ instanceId, power: 'on' });
    expect(await machines.list()).toContainEqual({
      instanceId,
      environment: '1#2',
      launchedAt: clock.now,
      power: 'on',
    });
  });

  it('have no place where there is no image of their architecture', async () => {
    const machines = make();
    const arm = { ...sampleRequirements, arch: 'arm64' as const, instanceTypes: ['t4g.small'] };
    await expect(machines.launchParameters(1, arm)).rejects.toMatchObject({
      kind: 'permanent',
      sentence: expect.stringContaining('`arch: arm64`'),
    });
  });

  it('refuse a token that was spent on another intent, or on a machine that is gone', async () => {
    const machines = make();
    const wanted = await intent(machines);
    const { instanceId } = await machines.launch(wanted, '1#2', 1);
    const spent = { kind: 'transient', code: 'launch_token_spent' };
    await expect(machines.launch({ ...wanted, userData: btoa('{}') }, '1#2', 1)).rejects.toMatchObject(spent);
    await machines.terminate(instanceId);
    await expect(machines.launch(wanted, '1#2', 1)).rejects.toMatchObject(spent);
    expect(await machines.findByToken(wanted.clientToken)).toEqual({ instanceId, power: 'gone' });
  });

  it('are not known right after their launch, and that is no error', async () => {
    const machines = make();
    ec2.knobs.staleReadMs = 60_000;
    const wanted = await intent(machines);
    const { instanceId } = await machines.launch(wanted, '1#2', 1);
    expect(await machines.describe(instanceId)).toBeUndefined();
    expect(await machines.findByToken(wanted.clientToken)).toBeUndefined();
    clock.now += 60_000;
    expect(await machines.describe(instanceId)).toEqual({ power: 'on' });
  });

  it('are stopped, started and terminated, each any number of times', async () => {
    const machines = make();
    const { instanceId } = await machines.launch(await intent(machines), '1#2', 1);
    await machines.describe(instanceId);
    await machines.stop(instanceId);
    await machines.stop(instanceId);
    expect(await machines.describe(instanceId)).toEqual({ power: 'off' });
    await machines.start(instanceId);
    await machines.start(instanceId);
    expect(await machines.describe(instanceId)).toEqual({ power: 'on' });
    await machines.terminate(instanceId);
    await machines.terminate(instanceId);
    await machines.stop(instanceId);
    expect(await machines.describe(instanceId)).toEqual({
      power: 'gone',
      reason: 'Client.UserInitiatedShutdown: User initiated shutdown',
    });
    expect((await machines.list()).filter((one) => one.instanceId === instanceId)).toEqual([]);
    clock.now += 2 * 60 * 60 * 1_000;
    expect(await machines.describe(instanceId)).toBeUndefined();
    await machines.terminate(instanceId);
    await machines.stop(instanceId);
  });

  it('of a type without CPU credits are launched too', async () => {
    const machines = make();
    const wanted = { ...(await intent(machines)), instanceType: 'm7i.large' };
    const { instanceId } = await machines.launch(wanted, '1#2', 1);
    expect(ec2.find(instanceId)?.instanceType).toBe('m7i.large');
  });

  it('are taken neither for known nor for gone when EC2 does not answer', async () => {
    const machines = make();
    const { instanceId } = await machines.launch(await intent(machines), '1#2', 1);
    for (const operation of ['DescribeInstances', 'StopInstances', 'TerminateInstances'] as const) {
      ec2.faults.failNext(operation, 'Unavailable');
    }
    const transient = { kind: 'transient' };
    await expect(machines.describe(instanceId)).rejects.toMatchObject(transient);
    await expect(machines.stop(instanceId)).rejects.toMatchObject(transient);
    await expect(machines.terminate(instanceId)).rejects.toMatchObject(transient);
    expect(await machines.describe(instanceId)).toEqual({ power: 'on' });
    await machines.terminate(instanceId);
    ec2.faults.failNext('StopInstances', 'Unavailable');
    await expect(machines.stop(instanceId)).rejects.toMatchObject(transient);
  });

  it('that are still pending cannot be stopped yet', async () => {
    const machines = make();
    ec2.knobs.transitionMs = 20_000;
    const { instanceId } = await machines.launch(await intent(machines), '1#2', 1);
    await expect(machines.stop(instanceId)).rejects.toMatchObject({ kind: 'transient' });
  });

  it.each([
    ['zone', () => ec2.knobs.noCapacityIn.add('subnet-a'), 'InsufficientInstanceCapacity'],
    ['quota', () => Object.assign(ec2.knobs, { vcpuLimit: 0 }), 'VcpuLimitExceeded'],
  ])('report a lack of capacity (%s) by an error of its own kind', async (_what, scarce, code) => {
    const machines = make();
    scarce();
    const launched = machines.launch(await intent(machines), '1#2', 1);
    await expect(launched).rejects.toMatchObject({ kind: 'capacity', code });
  });

  it('are all listed, page by page, without those of others, and a list that breaks off is an error', async () => {
    const machines = make();
    const before = (await machines.list()).length;
    const other = fakeMachines(ec2, { deploymentId: 'test-2', subnetIds, launchTemplateId, image });
    const foreign = await other.launch(await intent(other), '1#2', 1);
    for (let count = 0; count < 1_001; count += 1) {
      await fakeMachines(ec2, { deploymentId: 'test', subnetIds, launchTemplateId, image }).launch(
        { ...(await intent(other)), clientToken: `many-${clock.ids}` },
        '1#3',
        1,
      );
    }
    const all = await machines.list();
    expect(all).toHaveLength(before + 1_001);
    expect(all.map(({ instanceId }) => instanceId)).not.toContain(foreign.instanceId);
    ec2.faults.failNext('DescribeInstances', 'Unavailable');
    await expect(machines.list()).rejects.toMatchObject({ kind: 'transient' });
    for (const { instanceId } of all) ec2.terminateInstances([instanceId]);
  });
});

describe('the adapter of EC2', () => {
  /** EC2 with this answer to each RunInstances. */
  function answered(
    Instances: object[],
    settings: Partial<Parameters<typeof ec2Machines>[1]> = {},
  ): Machines {
    const client = new EC2Client({ region: 'us-east-1' });
    client.middlewareStack.add(() => async () => ({ output: { $metadata: {}, Instances }, response: {} }), {
      step: 'initialize',
    });
    const usual = { deploymentId: 'test', subnetIds, launchTemplateId, launchTemplateVersion: '1', image };
    return ec2Machines(client, { ...usual, ...settings });
  }

  it('does not take an answer without a machine for a launch', async () => {
    const machines = answered([]);
    await expect(machines.launch(await intent(machines), '1#2', 1)).rejects.toMatchObject({
      kind: 'transient',
      code: 'no_instance',
    });
  });

  it('does not take a machine that is gone, with which EC2 answers a spent token, for a launch', async () => {
    const machines = answered([{ InstanceId: 'i-1', State: { Name: 'terminated' } }]);
    await expect(machines.launch(await intent(machines), '1#2', 1)).rejects.toMatchObject({
      code: 'launch_token_spent',
    });
  });

  it('asks its operator to deploy again where there is no subnet, and waits where there is no image yet', async () => {
    await expect(
      answered([], { subnetIds: [] }).launchParameters(1, sampleRequirements),
    ).rejects.toMatchObject({
      kind: 'permanent',
      code: 'no_subnet',
    });
    const without = answered([], { image: async () => undefined });
    await expect(without.launchParameters(1, sampleRequirements)).rejects.toMatchObject({
      kind: 'transient',
      code: 'no_image',
    });
  });
});
