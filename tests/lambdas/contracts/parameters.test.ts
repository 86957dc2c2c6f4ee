import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ssmOperator } from '../../../lambdas/adapters/ssm-operator.ts';
import { ssmRepositorySecrets } from '../../../lambdas/adapters/ssm-repository-secrets.ts';
import { createSsm, type Ssm } from '../../../local/aws/ssm.ts';
import { startSsmWire } from './wire-servers.ts';

/** The adapters of Parameter Store on its wire. */
const clock = { now: 0 };
const ssm: Ssm = createSsm({ now: () => clock.now, newId: () => 'id', documents: [] });
let wire: Awaited<ReturnType<typeof startSsmWire>>;

beforeAll(async () => {
  wire = await startSsmWire(ssm);
});
afterAll(() => wire?.close());
beforeEach(() => {
  for (const { name } of ssm.parameters.all()) ssm.parameters.delete(name);
  wire.calls.length = 0;
});

describe('the operator’s setting', () => {
  const names = { paused: '/eph/t/paused', image: { amd64: '/eph/t/image', arm64: '/eph/t/image-arm64' } };
  const open = () => ssmOperator(wire.client, names, () => clock.now);

  it('is "not paused", with no image, where there are no parameters', async () => {
    const operator = open();
    expect(await operator.pause(0)).toBe('no');
    expect(await operator.image('amd64')).toBeUndefined();
  });

  it('is read in one call together with the images, and kept for as long as the caller allows', async () => {
    ssm.parameters.put({ name: names.paused, type: 'String', value: 'launches' });
    ssm.parameters.put({ name: names.image.amd64, type: 'String', value: 'ami-1' });
    const operator = open();
    expect(await operator.pause(60_000)).toBe('launches');
    expect(await operator.image('amd64')).toBe('ami-1');
    expect(wire.calls).toEqual(['GetParameters']);

    ssm.parameters.put({ name: names.paused, value: 'no', overwrite: true });
    clock.now += 30_000;
    expect(await operator.pause(60_000)).toBe('launches');
    expect(await operator.pause(5_000)).toBe('no');
    expect(await operator.pause(0)).toBe('no');
    expect(wire.calls).toHaveLength(3);
  });
});

describe('secrets of a repository', () => {
  const secrets = () => ssmRepositorySecrets(wire.client, '/eph/t/repositories');
  const put = (name: string, value: string) =>
    ssm.parameters.put({ name: `/eph/t/repositories/${name}`, type: 'SecureString', value });

  it('are none where nothing was set', async () => {
    expect(await secrets().of(7)).toEqual({});
  });

  it('come decrypted, page by page, without those of a number that begins alike', async () => {
    for (let n = 0; n < 23; n += 1) put(`7/KEY_${n}`, `value ${n}`);
    put('71/THEIRS', 'x');
    const found = await secrets().of(7);
    expect(Object.keys(found)).toHaveLength(23);
    expect(found['KEY_22']).toBe('value 22');
    expect(wire.calls).toEqual(['GetParametersByPath', 'GetParametersByPath', 'GetParametersByPath']);
  });

  it('do not include those of another forge, where the number is another repository’s', async () => {
    put('9/OURS', 'x');
    put('plain/9/THEIRS', 'y');
    expect(await secrets().of(9)).toEqual({ OURS: 'x' });
    expect(await secrets().of(9, 'plain')).toEqual({ THEIRS: 'y' });
  });

  it('that no shell takes as a variable, or that are Eph’s own names, are left out', async () => {
    put('7/API-KEY', 'x');
    put('7/EPH_URL', 'x');
    put('7/FINE', 'y');
    expect(await secrets().of(7)).toEqual({ FINE: 'y' });
  });
});
