import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createFakeMachine, type FakeMachine } from './fake-machine.ts';

const services = { web: { image: 'web:1', ports: [{ target: 80, published: '80' }] } };
const volume = (size: string) => ({ volumes: { data: { name: 'eph_data', driver_opts: { size } } } });
const network = (subnet: string) => ({
  networks: { back: { name: 'eph_back', ipam: { config: [{ subnet }] } } },
});

describe('a change of a push that compose does not apply', () => {
  let machine: FakeMachine;
  beforeEach(async () => {
    machine = await createFakeMachine();
    await machine.boot();
  });
  afterEach(() => machine.close());

  const warningsOf = async (rest: object) => {
    const { generation } = machine.spec(services, {}, {}, rest);
    machine.notify();
    return (await machine.resultOf(generation)).warnings;
  };

  it('is a warning for a volume, for as long as it differs from the one that was made', async () => {
    expect(await warningsOf(volume('1g'))).toEqual([]);
    expect(await warningsOf(volume('2g'))).toEqual([expect.stringMatching(/the volume `data` were changed/)]);
    expect(await warningsOf(volume('2g'))).toHaveLength(1);
    expect(await warningsOf(volume('1g'))).toEqual([]);
  });

  it('is no warning for a volume of another name', async () => {
    await warningsOf(volume('1g'));
    expect(await warningsOf({ volumes: { data: { name: 'other', driver_opts: { size: '2g' } } } })).toEqual(
      [],
    );
  });

  it('is a warning for a network that stays the same, and none for one that was made again', async () => {
    machine.docker.networks = { eph_back: 'first' };
    await warningsOf(network('10.1.0.0/16'));
    expect(await warningsOf(network('10.2.0.0/16'))).toEqual([expect.stringMatching(/the network `back`/)]);
    const networks = ['first', 'second'];
    Object.defineProperty(machine.docker, 'networks', {
      get: () => ({ eph_back: networks.shift() ?? 'second' }),
    });
    expect(await warningsOf(network('10.3.0.0/16'))).toEqual([]);
  });

  it('is a warning for a tag that was pushed again', async () => {
    machine.docker.pulled = { 'web:1': 'sha256:a' };
    machine.docker.registry = { 'web:1': 'sha256:b' };
    expect(await warningsOf({})).toEqual([]);
    expect(await warningsOf({})).toEqual([expect.stringMatching(/`web:1` of `web` was pushed anew/)]);
    machine.docker.registry = { 'web:1': 'sha256:a' };
    expect(await warningsOf({})).toEqual([]);
    machine.docker.registry = {};
    expect(await warningsOf({})).toEqual([]);
  });
});
