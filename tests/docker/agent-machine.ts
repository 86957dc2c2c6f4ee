import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultPreviewConfig, type PreviewConfig } from '#core/preview-config';
import { buildAgent } from '../../host/build-agent.ts';
import type { MailboxSpec, Progress, Result } from '../../lambdas/providers/ec2/mailbox.ts';
import { startImds } from '../../local/aws/imds.ts';
import { cleanLeftovers } from '../../local/hosts/clean-leftovers.ts';
import { createNetwork } from '../../local/hosts/create-network.ts';
import { startHosts } from '../../local/hosts/start-hosts.ts';
import { startRegistry } from '../../local/images/start-registry.ts';
import { repositoryArchive } from '../host/make-archive.ts';
import { credentials, startObjectServer } from '../host/object-server.ts';

/**
 * One machine with the real bootstrap, agent, Docker and Caddy. The test does the control plane's part: it puts
 * deployment specs into the mailbox, notifies the agent, and reads the reports.
 */
const root = join(import.meta.dirname, '../..');
export const instanceId = 'i-0a1b2c3d';
const hostRoleId = 'AROAHOST';
const prefix = `hosts/${hostRoleId}:${instanceId}/`;
export const hostname = 'shop-pr.eph.localhost';

export type AgentMachine = Awaited<ReturnType<typeof startAgentMachine>>;

export async function startAgentMachine(images: readonly string[]) {
  const temp = await mkdtemp(join(tmpdir(), 'eph-agent-'));
  const dir = join(temp, 'hosts');
  await cleanLeftovers(dir);
  const network = await createNetwork(dir);
  const registry = await startRegistry({ dir: join(root, '.tools/registry'), address: network.address });
  await registry.ensureImages(images);
  const bucket = await startObjectServer(network.address);
  const archives = new Map<string, Buffer>();
  const codeload = createServer((request, response) => {
    const archive = archives.get(request.url ?? '');
    response.writeHead(archive ? 200 : 404).end(archive);
  });
  await new Promise<void>((resolve) => codeload.listen(0, network.address, resolve));
  const codeloadUrl = `http://${network.address}:${(codeload.address() as AddressInfo).port}`;
  const addresses = { registryUrl: registry.url, edgeUrl: `http://${network.address}:1`, awsUrl: bucket.url };
  const hosts = await startHosts({ dir, network, ...addresses, log: () => undefined });
  const { code, sha256 } = await buildAgent();
  bucket.put(`agent/${sha256}.mjs`, code);
  const userData = JSON.stringify({
    v: 1,
    environment: '7#42',
    attempt: 1,
    region: 'us-east-1',
    bucket: 'eph-mailbox',
    hostRoleId,
    agentSha256: sha256,
  });
  const imds = await startImds({
    instanceId,
    userData,
    region: 'us-east-1',
    zone: 'us-east-1a',
    credentials: () => credentials,
    listen: { host: network.address, port: 0 },
  });
  let generation = 0;

  const read = <T>(name: string): T | undefined => {
    const text = bucket.text(prefix + name);
    return text === undefined ? undefined : (JSON.parse(text) as T);
  };
  const machine = {
    bucket,
    hosts,
    start: (first: boolean) => hosts.start({ instanceId, userData, first, imds, wentOff: () => undefined }),
    stop: () => hosts.stop(instanceId),
    async on(
      script: string,
      env: Record<string, string> = {},
    ): Promise<{ code: number; stdout: string; stderr: string }> {
      return hosts.run(instanceId, script, env, AbortSignal.timeout(60_000));
    },
    /** Writes the spec of a generation with these files; returns its number. */
    spec(
      files: Record<string, string>,
      more: Partial<MailboxSpec> & { settings?: Partial<PreviewConfig> } = {},
    ): number {
      generation++;
      const { settings, ...rest } = more;
      const path = `/archive-${generation}.tar.gz?token=secret-archive-token`;
      archives.set(path, repositoryArchive(files));
      const spec: MailboxSpec = {
        v: 1,
        generation,
        revision: 1,
        delivery: `delivery-${generation}`,
        environment: '7#42',
        repository: { owner: 'acme', name: 'shop' },
        number: 42,
        branch: 'feature',
        source: { kind: 'archive', sha: generation.toString(16).padStart(40, '0'), url: codeloadUrl + path },
        config: { ...defaultPreviewConfig, ...settings },
        hostname,
        urlTemplate: 'https://{host}',
        tunnelToken: 'tunnel-token-of-the-test',
        secrets: {},
        trusted: true,
        idleStopSeconds: 3600,
        ...rest,
      };
      bucket.put(`${prefix}next.json`, JSON.stringify(spec));
      return generation;
    },
    async notify(): Promise<void> {
      const notified = await machine.on(`eph-agent ring "$SSM_Generation"`, {
        SSM_Generation: String(generation),
      });
      if (notified.code !== 0) throw new Error(`ring: ${notified.stderr}`);
    },
    progress: () => read<Progress>('progress.json'),
    result: () => read<Result>('result.json'),
    log: () => bucket.text(`${prefix}log.txt`) ?? '',
    console: () => readFile(hosts.consoleLog(instanceId), 'utf8'),
    /** The result of a generation, newer than `after`. */
    async resultOf(wanted: number, after = 0): Promise<Result> {
      const deadline = Date.now() + 150_000;
      for (;;) {
        const found = machine.result();
        if (found?.generation === wanted && found.at > after) return found;
        if (Date.now() > deadline)
          throw new Error(
            `no result of generation ${wanted}; console:\n${(await machine.console()).slice(-6_000)}`,
          );
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    },
    async get(path: string, host = hostname, ...headers: string[]): Promise<string> {
      const more = headers.map((header) => `-H '${header}'`).join(' ');
      return (
        await machine.on(`curl -s -i --max-time 5 -H 'Host: ${host}' ${more} 'http://127.0.0.1:8080${path}'`)
      ).stdout;
    },
    async close(): Promise<void> {
      await hosts.close();
      await imds.close();
      await bucket.close();
      codeload.closeAllConnections();
      codeload.close();
      await registry.close();
      await network.close();
      await rm(temp, { recursive: true, force: true });
    },
  };
  return machine;
}
