import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { cloudflareTunnels } from '../../../lambdas/providers/cloudflare/cloudflare-tunnels.ts';
import type { Tunnels } from '../../../lambdas/providers/cloudflare/tunnels.ts';
import { type LocalCloudflare, startCloudflare } from '../../../local/cloudflare/start-cloudflare.ts';
import { fakeTunnels } from '../../fakes/fake-tunnels.ts';

let cf: LocalCloudflare;
beforeAll(async () => {
  const wireLog = { record: () => undefined, close: async () => undefined };
  cf = await startCloudflare({ zone: 'eph.localhost', wireLog });
});
afterAll(() => cf?.close());
beforeEach(() => cf.faults.clear());

const adapter = (deploymentId: string) =>
  cloudflareTunnels({
    apiUrl: cf.apiUrl,
    apiToken: cf.runtimeToken,
    accountId: cf.accountId,
    zoneId: cf.zoneId,
    deploymentId,
    accessTeam: cf.access.teamName,
    accessAudience: cf.access.applicationAud,
    newSecret: () => randomBytes(32).toString('base64'),
  });
const fake = (deploymentId: string) =>
  fakeTunnels({ machine: cf.cloudflare, faults: cf.faults }, deploymentId);

const kinds: [string, (deploymentId: string) => Tunnels][] = [
  ['the fake', fake],
  ['the Cloudflare client', adapter],
];
let last = 0;
const fresh = () => {
  last += 1;
  return { key: `${last}#1`, name: `eph-test-${last}-1-0`, hostname: `n${last}-pr.eph.localhost` };
};

describe.each(kinds)('tunnels with %s', (_with, make) => {
  it('are made once for one name, and found by it', async () => {
    const tunnels = make('test');
    const { name } = fresh();
    expect(await tunnels.findTunnel(name)).toBeUndefined();
    const { id } = await tunnels.ensureTunnel(name);
    expect(await tunnels.ensureTunnel(name)).toEqual({ id });
    expect(await tunnels.findTunnel(name)).toEqual({ id });
  });

  it('have one rule, to the proxy of the machine, behind Access, and a token', async () => {
    const tunnels = make('test');
    const { id } = await tunnels.ensureTunnel(fresh().name);
    await tunnels.configure(id);
    await tunnels.configure(id);
    const { config } = cf.cloudflare.getConfiguration(id);
    expect(config?.ingress).toEqual([
      expect.objectContaining({
        service: 'http://localhost:8080',
        originRequest: { access: expect.objectContaining({ required: true, teamName: 'team' }) },
      }),
    ]);
    const token = JSON.parse(Buffer.from(await tunnels.token(id), 'base64').toString());
    expect(token.t).toBe(id);
  });

  it('are deleted with their connections, lock out the connector, and may be deleted twice', async () => {
    const tunnels = make('test');
    const { name } = fresh();
    const { id } = await tunnels.ensureTunnel(name);
    const token = JSON.parse(Buffer.from(await tunnels.token(id), 'base64').toString());
    const connector = { clientId: 'c', version: '1', arch: 'x', originIp: '203.0.113.1' };
    cf.cloudflare.registerConnection(token, connector);
    await tunnels.deleteTunnel(id);
    await tunnels.deleteTunnel(id);
    expect(await tunnels.findTunnel(name)).toBeUndefined();
    expect(() => cf.cloudflare.registerConnection(token, connector)).toThrow('Unauthorized');
  });

  it('whose connections are not closed yet are deleted later', async () => {
    const tunnels = make('test');
    const { id } = await tunnels.ensureTunnel(fresh().name);
    const lingering = { status: 400, code: 1022, message: 'active connections' };
    cf.faults.failNext('deleteTunnel', lingering);
    await expect(tunnels.deleteTunnel(id)).rejects.toMatchObject({ kind: 'transient' });
    await tunnels.deleteTunnel(id);
  });

  it('have marked records, which are adopted and lead to a new tunnel', async () => {
    const tunnels = make('test');
    const { key, name, hostname } = fresh();
    const { id } = await tunnels.ensureTunnel(name);
    expect(await tunnels.findRecord(hostname, key)).toBeUndefined();
    const record = await tunnels.ensureRecord(hostname, id, key);
    expect(await tunnels.ensureRecord(hostname, id, key)).toEqual(record);
    expect(await tunnels.findRecord(hostname, key)).toEqual(record);
    expect(await tunnels.findRecord(hostname, '99#99')).toBeUndefined();
    const other = await tunnels.ensureTunnel(`${name}1`);
    expect(await tunnels.ensureRecord(hostname, other.id, key)).toEqual(record);
    expect(cf.cloudflare.resolve(hostname)).toMatchObject({
      content: `${other.id}.cfargotunnel.com`,
      proxied: true,
      comment: `eph:test:${key}`,
    });
    await tunnels.deleteRecord(record.id);
    await tunnels.deleteRecord(record.id);
    expect(cf.cloudflare.resolve(hostname)).toBeUndefined();
  });

  it('never change a record of somebody else', async () => {
    const tunnels = make('test');
    const { key, name, hostname } = fresh();
    const { id } = await tunnels.ensureTunnel(name);
    cf.cloudflare.createRecord({ type: 'A', name: hostname, content: '192.0.2.1' });
    await expect(tunnels.ensureRecord(hostname, id, key)).rejects.toMatchObject({
      kind: 'permanent',
      code: 'hostname_taken',
    });
    expect(cf.cloudflare.resolve(hostname)?.content).toBe('192.0.2.1');
  });

  it('are listed with their environments, those of this deployment only, page by page', async () => {
    const ours = make(`many${last}`);
    const deployment = `many${last}`;
    const foreign = make(`${deployment}-2`);
    await foreign.ensureTunnel(`eph-${deployment}-2-5-1-0`);
    await foreign.ensureTunnel('office');
    // These are more than Cloudflare's default page of 20 tunnels.
    for (let n = 1; n <= 45; n += 1) await fake(deployment).ensureTunnel(`eph-${deployment}-${n}-1-0`);
    const { id } = await ours.ensureTunnel(`eph-${deployment}-1-1-0`);
    const record = await ours.ensureRecord(`${deployment}-pr.eph.localhost`, id, '1#1');
    await foreign.ensureRecord(`${deployment}-2-pr.eph.localhost`, id, '5#1');

    const listed = await ours.listTunnels();
    expect(listed).toHaveLength(45);
    expect(listed).toContainEqual({ id, environment: '1#1', createdAt: expect.any(Number) });
    expect(await ours.listRecords()).toEqual([
      {
        id: record.id,
        hostname: `${deployment}-pr.eph.localhost`,
        tunnelId: id,
        environment: '1#1',
        createdAt: expect.any(Number),
      },
    ]);
    for (const tunnel of listed) cf.cloudflare.deleteTunnel(tunnel.id);
  });

  it('are not listed in part, because an error of one page fails the list', async () => {
    const tunnels = make('test');
    cf.faults.failNext('listTunnels', { status: 400, code: 1004, message: 'no' });
    await expect(tunnels.listTunnels()).rejects.toMatchObject({ kind: 'transient' });
    cf.faults.failNext('listRecords', { status: 400, code: 1004, message: 'no' });
    await expect(tunnels.listRecords()).rejects.toMatchObject({ kind: 'transient' });
  });
});
