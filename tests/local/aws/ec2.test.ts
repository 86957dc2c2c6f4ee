import { expect, test } from 'vitest';
import { createEc2, type Ec2Options, type PowerEvent } from '../../../local/aws/ec2.ts';
import type { RunInstancesRequest } from '../../../local/aws/ec2-launch.ts';

const HOUR = 3_600_000;

function account(options: Partial<Ec2Options> = {}) {
  const clock = { now: 1_000_000 };
  let ids = 0;
  const ec2 = createEc2({
    now: () => clock.now,
    newId: () => (ids++).toString(16).padStart(17, '0'),
    subnets: [
      { id: 'subnet-a', zone: 'us-east-1a', vpcId: 'vpc-1', publicIp: true },
      { id: 'subnet-b', zone: 'us-east-1b', vpcId: 'vpc-1', publicIp: true },
    ],
    launchTemplates: [],
    image: (id) => id,
    ...options,
  });
  return { ec2, clock };
}

const request = (more: Partial<RunInstancesRequest> = {}): RunInstancesRequest => ({
  imageId: 'ami-1',
  instanceType: 't3.small',
  subnetId: 'subnet-a',
  minCount: 1,
  maxCount: 1,
  tags: { instance: { app: 'eph' }, volume: { app: 'eph' } },
  ...more,
});
const refusal = (code: string) => expect.objectContaining({ code });

test('states change when their time has passed', () => {
  const { ec2, clock } = account({ knobs: { transitionMs: 100 } });
  const [instance] = ec2.runInstances(request());
  const id = instance?.id ?? '';
  expect(ec2.find(id)?.state).toBe('pending');
  expect(() => ec2.stopInstances([id])).toThrow(refusal('IncorrectInstanceState'));
  clock.now += 100;
  expect(ec2.stopInstances([id])).toEqual([{ instanceId: id, previous: 'running', current: 'stopping' }]);
  expect(() => ec2.startInstances([id])).toThrow(refusal('IncorrectInstanceState'));
  clock.now += 100;
  expect(ec2.startInstances([id])).toEqual([{ instanceId: id, previous: 'stopped', current: 'pending' }]);
});

test('a state of a real machine changes when the machine has changed', () => {
  const events: PowerEvent['kind'][] = [];
  const { ec2 } = account({ onPower: ({ kind }) => events.push(kind) });
  const [instance] = ec2.runInstances(request());
  const id = instance?.id ?? '';
  expect(ec2.find(id)?.state).toBe('pending');
  ec2.finalized(id);
  expect(ec2.find(id)?.state).toBe('running');
  ec2.terminateInstances([id]);
  expect(ec2.find(id)?.state).toBe('shutting-down');
  ec2.finalized(id);
  expect(ec2.find(id)?.state).toBe('terminated');
  ec2.terminateInstances([id]);
  expect(events).toEqual(['on', 'gone']);
});

test('an instance that shuts itself down is stopped or terminated, as its launch said', () => {
  const events: PowerEvent['kind'][] = [];
  const { ec2 } = account({ onPower: ({ kind }) => events.push(kind) });
  const shutDown = (shutdownBehavior: 'stop' | 'terminate') => {
    const id = ec2.runInstances(request({ shutdownBehavior }))[0]?.id ?? '';
    ec2.finalized(id);
    ec2.wentOff(id);
    const during = ec2.find(id)?.state;
    ec2.finalized(id);
    return [during, ec2.find(id)?.state, ec2.find(id)?.stateReason?.code];
  };
  expect(shutDown('stop')).toEqual(['stopping', 'stopped', 'Client.InstanceInitiatedShutdown']);
  expect(shutDown('terminate')).toEqual(['shutting-down', 'terminated', 'Client.InstanceInitiatedShutdown']);
  expect(events).toEqual(['on', 'off', 'on', 'gone']);
});

test('a machine that switches itself off while EC2 is stopping it changes nothing', () => {
  const { ec2 } = account({ onPower: () => undefined });
  const id = ec2.runInstances(request())[0]?.id ?? '';
  ec2.finalized(id);
  ec2.stopInstances([id]);
  ec2.wentOff(id);
  ec2.finalized(id);
  expect(ec2.find(id)).toMatchObject({
    state: 'stopped',
    stateReason: { code: 'Client.UserInitiatedShutdown' },
  });
});

test('a client token is valid for one zone: in another it launches a second host', () => {
  const { ec2 } = account();
  const [first] = ec2.runInstances(request({ clientToken: 't' }));
  const [second] = ec2.runInstances(request({ clientToken: 't', subnetId: 'subnet-b' }));
  expect(second?.id).not.toBe(first?.id);
  expect(ec2.runInstances(request({ clientToken: 't' }))[0]?.id).toBe(first?.id);
});

test('a client token depends on the values of parameters, not on their order', () => {
  const { ec2 } = account();
  const [first] = ec2.runInstances(request({ clientToken: 't', tags: { instance: { a: '1', b: '2' } } }));
  const again = request({ clientToken: 't', tags: { instance: { b: '2', a: '1' } } });
  expect(ec2.runInstances(again)[0]?.id).toBe(first?.id);
  expect(() => ec2.runInstances({ ...again, userData: 'eA==' })).toThrow(
    refusal('IdempotentParameterMismatch'),
  );
});

test('a token is forgotten a day after its host was terminated, the host itself after an hour', () => {
  const { ec2, clock } = account();
  const id = ec2.runInstances(request({ clientToken: 't' }))[0]?.id ?? '';
  ec2.find(id);
  ec2.terminateInstances([id]);
  expect(ec2.describeInstances({ instanceIds: [id] }).instances[0]?.state).toBe('terminated');
  clock.now += HOUR;
  expect(() => ec2.describeInstances({ instanceIds: [id] })).toThrow(refusal('InvalidInstanceID.NotFound'));
  expect(() => ec2.runInstances(request({ clientToken: 't' }))).toThrow(
    refusal('IdempotentInstanceTerminated'),
  );
  clock.now += 23 * HOUR;
  expect(ec2.runInstances(request({ clientToken: 't' }))).toHaveLength(1);
});

test('a launch that failed does not use up its token', () => {
  const { ec2 } = account();
  ec2.knobs.noCapacityIn.add('us-east-1a');
  expect(() => ec2.runInstances(request({ clientToken: 't' }))).toThrow(
    refusal('InsufficientInstanceCapacity'),
  );
  ec2.knobs.noCapacityIn.clear();
  expect(ec2.runInstances(request({ clientToken: 't' }))).toHaveLength(1);
});

test('a stale read misses a new host, by id and by token', () => {
  const { ec2, clock } = account({ knobs: { staleReadMs: 500 } });
  const id = ec2.runInstances(request({ clientToken: 't' }))[0]?.id ?? '';
  const byToken = { filters: [{ name: 'client-token', values: ['t'] }] };
  expect(() => ec2.describeInstances({ instanceIds: [id] })).toThrow(refusal('InvalidInstanceID.NotFound'));
  expect(ec2.describeInstances(byToken).instances).toEqual([]);
  clock.now += 500;
  expect(ec2.describeInstances(byToken).instances).toHaveLength(1);
});

test('a stopped host cannot start where there is no capacity, nor above the quota', () => {
  const { ec2 } = account({ knobs: { vcpuLimit: 2 } });
  const id = ec2.runInstances(request())[0]?.id ?? '';
  expect(() => ec2.runInstances(request())).toThrow(refusal('VcpuLimitExceeded'));
  ec2.find(id);
  ec2.stopInstances([id]);
  ec2.find(id);
  ec2.knobs.noCapacityIn.add('t3.small');
  expect(() => ec2.startInstances([id])).toThrow(refusal('InsufficientInstanceCapacity'));
});

test('pages are read by token, filters may contain wildcards, unknown filters are refused', () => {
  const { ec2 } = account();
  for (let n = 0; n < 7; n += 1) ec2.runInstances(request({ tags: { instance: { env: `pr-${n}` } } }));
  const first = ec2.describeInstances({ maxResults: 5 });
  const second = ec2.describeInstances({ maxResults: 5, nextToken: first.nextToken });
  expect([first.instances.length, second.instances.length, second.nextToken]).toEqual([5, 2, undefined]);
  expect(ec2.describeInstances({ filters: [{ name: 'tag:env', values: ['pr-*'] }] }).instances).toHaveLength(
    7,
  );
  expect(ec2.describeInstances({ filters: [{ name: 'tag:env', values: ['pr-3'] }] }).instances).toHaveLength(
    1,
  );
  expect(() => ec2.describeInstances({ filters: [{ name: 'tags', values: [] }] })).toThrow(
    refusal('InvalidParameterValue'),
  );
  expect(() => ec2.describeInstances({ maxResults: 4 })).toThrow(refusal('InvalidParameterValue'));
});

test('template and request are merged: tags by key, the request wins', () => {
  const { ec2 } = account({
    launchTemplates: [
      {
        id: 'lt-1',
        name: 'hosts',
        defaultVersion: 1,
        versions: [
          {
            version: 1,
            data: { instanceType: 't3.nano', imageId: 'ami-t', tags: { instance: { a: '1', b: '1' } } },
          },
        ],
      },
    ],
  });
  const plan = ec2.plan(
    request({ imageId: undefined, launchTemplate: { id: 'lt-1' }, tags: { instance: { b: '2' } } }),
  );
  expect(plan).toMatchObject({
    imageId: 'ami-t',
    instanceType: 't3.small',
    tags: { instance: { a: '1', b: '2' } },
    launchTemplate: { id: 'lt-1', version: 1 },
  });
});

test('faults are used up in order', () => {
  const { ec2 } = account();
  ec2.faults.failNext('DescribeInstances', 'RequestLimitExceeded', 2);
  for (const _ of [1, 2]) expect(() => ec2.describeInstances({})).toThrow(refusal('RequestLimitExceeded'));
  expect(ec2.describeInstances({}).instances).toEqual([]);
});
