import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bridgeName, createNetwork, type HostNetwork } from '../../local/hosts/create-network.ts';
import { type Hosts, startHosts } from '../../local/hosts/start-hosts.ts';
import { type Registry, startRegistry } from '../../local/images/start-registry.ts';
import { startOutside } from './start-outside.ts';

const run = promisify(execFile);
const forwarding = async () => (await readFile('/proc/sys/net/ipv4/ip_forward', 'utf8')).trim();

describe('the outgoing network of local machines', () => {
  let temp: string;
  let network: HostNetwork;
  let registry: Registry;
  let hosts: Hosts;
  let outside: Awaited<ReturnType<typeof startOutside>>;
  let before: string;
  const metadata = createServer((_, response) => response.end('credentials'));

  /** What a container on the machine gets from an address, or why it gets nothing. */
  async function fetched(address: string): Promise<string> {
    const command = `docker run --rm --quiet busybox:1 wget -T 4 -qO- http://${address}/ 2>&1 || true`;
    const { stdout } = await hosts.run('i-one', command, {}, AbortSignal.timeout(60_000));
    return stdout.trim();
  }

  beforeAll(async () => {
    temp = await mkdtemp(join(tmpdir(), 'eph-way-out-'));
    before = await forwarding();
    outside = await startOutside();
    network = await createNetwork(join(temp, 'hosts'));
    closers.push(network.close);
    expect(network.isolated).toBeUndefined();
    const root = join(import.meta.dirname, '../..');
    registry = await startRegistry({ dir: join(root, '.tools/registry'), address: network.address });
    closers.push(registry.close);
    await registry.ensureImages(['busybox:1']);
    await new Promise<void>((listening) => metadata.listen(0, network.address, listening));
    const imdsUrl = `http://${network.address}:${(metadata.address() as AddressInfo).port}`;
    const nowhere = `http://${network.address}:1`;
    const addresses = { registryUrl: registry.url, edgeUrl: nowhere, awsUrl: nowhere };
    const dir = join(temp, 'hosts');
    hosts = await startHosts({ dir, network, ...addresses, log: () => undefined, bootstrap: '/bin/true' });
    closers.push(hosts.close);
    const imds = { url: imdsUrl, answerOnly: () => undefined };
    for (const instanceId of ['i-one', 'i-two'])
      await hosts.start({ instanceId, userData: '', first: true, imds, wentOff: () => undefined });
  });

  const closers: (() => Promise<void>)[] = [];
  const closePlatform = async () => {
    for (const close of closers.splice(0).toReversed()) await close();
  };

  afterAll(async () => {
    await closePlatform();
    await outside?.close();
    metadata.close();
    await rm(temp, { recursive: true, force: true });
  });

  it('lets containers reach what this machine reaches, under its address', async () => {
    expect(await fetched(outside.there)).toBe(outside.here);
  });

  it('closes the metadata address, and the address of the local metadata service, to containers', async () => {
    expect(await fetched('169.254.169.254')).toContain("can't connect");
    const { host } = new URL(`http://${network.address}:${(metadata.address() as AddressInfo).port}`);
    expect(await fetched(host)).toContain("can't connect");
    const own = await hosts.run('i-one', `curl -s -m 4 http://${host}`, {}, AbortSignal.timeout(9_000));
    expect(own.stdout).toBe('credentials');
  });

  it("closes other machines and this machine's own addresses, except for what the platform serves them", async () => {
    const other = network.machineAddress(1).split('/')[0] ?? '';
    const serve = 'docker run -d --network host busybox:1 httpd -f -p 80';
    expect((await hosts.run('i-two', serve, {}, AbortSignal.timeout(60_000))).code).toBe(0);
    expect(await fetched(other)).toMatch(/can't connect|timed out/);
    expect(await fetched(outside.here)).toContain("can't connect");
    const direct = await hosts.run(
      'i-one',
      `curl -s -m 4 http://${outside.here}`,
      {},
      AbortSignal.timeout(9_000),
    );
    expect(direct.code).not.toBe(0);
    expect(await fetched(`${new URL(registry.url).host}/v2`)).toBe('{}');
  });

  it('accepts no connection from outside', async () => {
    const [address] = network.machineAddress(1).split('/');
    const asked = await run('nsenter', [
      ...['--target', String(outside.pid), '--net'],
      ...[
        'sh',
        '-c',
        `ip route add default via ${outside.here}; curl -s -m 4 http://${address}/ || echo closed`,
      ],
    ]);
    expect(asked.stdout.trim()).toBe('closed');
  });

  it('is closed again by the process that opened it, with nothing left', async () => {
    const saved = async () => (await run('iptables-save')).stdout;
    const bridge = bridgeName(network.platform);
    expect(await saved()).toContain(bridge);
    expect(await forwarding()).toBe('1');
    await closePlatform();
    expect(await saved()).not.toContain(bridge);
    expect(await forwarding()).toBe(before);
  });
});
