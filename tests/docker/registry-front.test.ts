import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createNetwork, type HostNetwork } from '../../local/hosts/create-network.ts';
import { type Hosts, startHosts } from '../../local/hosts/start-hosts.ts';
import { type Registry, startRegistry } from '../../local/images/start-registry.ts';

describe('the local registry in front of the real one', () => {
  let temp: string;
  let network: HostNetwork;
  let registry: Registry;
  let hosts: Hosts;
  const built: string[] = [];
  const asked: string[] = [];
  /** Stands for Docker Hub: one image that is not made here, `acme/tool:1`, which is busybox. */
  const hub = createServer(async (request, response) => {
    asked.push(request.url ?? '');
    const path = request.url?.replace('/v2/acme/tool/', '/v2/library/busybox/') ?? '';
    const { method = 'GET', headers } = request;
    const accept = String(headers.accept ?? '*/*');
    const answer = await fetch(`${registry.url}${path}`, { method, headers: { accept } });
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    response.end(Buffer.from(await answer.arrayBuffer()));
  });

  async function on(instanceId: string, script: string): Promise<string> {
    const done = await hosts.run(instanceId, script, {}, AbortSignal.timeout(120_000));
    return `${done.stdout}${done.stderr}`.trim();
  }

  beforeAll(async () => {
    temp = await mkdtemp(join(tmpdir(), 'eph-front-'));
    const dir = join(temp, 'hosts');
    network = await createNetwork(dir);
    await new Promise<void>((listening) => hub.listen(0, '127.0.0.1', listening));
    registry = await startRegistry({
      dir: join(temp, 'registry'),
      address: network.address,
      log: (line) => built.push(line),
      upstreamUrl: `http://127.0.0.1:${(hub.address() as AddressInfo).port}`,
    });
    const nowhere = `http://${network.address}:1`;
    const addresses = { registryUrl: registry.url, edgeUrl: nowhere, awsUrl: nowhere };
    hosts = await startHosts({ dir, network, ...addresses, log: () => undefined, bootstrap: '/bin/true' });
    const imds = { url: nowhere, answerOnly: () => undefined };
    for (const instanceId of ['i-one', 'i-two'])
      await hosts.start({ instanceId, userData: '', first: true, imds, wentOff: () => undefined });
  });

  afterAll(async () => {
    await hosts?.close();
    await registry?.close();
    await network?.close();
    hub.close();
    await rm(temp, { recursive: true, force: true });
  });

  it('makes an image when it is first requested, once for all requests', async () => {
    expect(built).toEqual([]);
    const run = 'docker run --rm --quiet busybox:1 echo made';
    const build = 'printf "FROM busybox:1\\nRUN echo made" | docker buildx build --progress plain -';
    const [ran, buildLog] = await Promise.all([on('i-one', run), on('i-two', build)]);
    expect(ran).toBe('made');
    expect(buildLog).toMatch(/^#\d+ [\d.]+ made$/m);
    expect(built).toEqual([expect.stringMatching(/^built image busybox:1 in [\d.]+ s$/)]);
  });

  it('fetches other images from the real registry, and serves them while that cannot be reached', async () => {
    const run = 'docker rmi -f busybox:1 >/dev/null 2>&1; docker run --rm --quiet acme/tool:1 echo fetched';
    expect(await on('i-one', run)).toBe('fetched');
    expect(asked.filter((path) => path.includes('/blobs/'))).not.toEqual([]);
    hub.close();
    hub.closeAllConnections();
    expect(await on('i-two', run)).toBe('fetched');
  });

  it('names the registry that could not be reached, and the images that exist', async () => {
    for (const command of ['docker pull registry.invalid/acme/tool:1', 'docker buildx build -'])
      expect(await on('i-one', `echo FROM registry.invalid/acme/tool:1 | ${command}`)).toContain(
        'registry.invalid could not be reached from this machine (lookup: ENOTFOUND); images that the local platform has: busybox:1, caddy:2, debian:12, nginx:1, node:24, postgres:15, redis:7',
      );
  });

  it('sends machines to no address that is closed to them', async () => {
    for (const address of ['127.0.0.1:22', `${network.address}:22`, '169.254.169.254:80'])
      expect(await on('i-one', `curl -sv -p -x ${registry.url} http://${address}/ 2>&1`)).toContain(
        `${address.split(':')[0]} is closed to machines`,
      );
  });

  it('accepts nothing from machines', async () => {
    const push = `curl -s -o /dev/null -w '%{http_code}' -X POST ${registry.url}/v2/library/node/blobs/uploads/`;
    expect(await on('i-one', push)).toBe('405');
  });
});
