import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Deployment } from '../../../infra/deploy/deployment.ts';
import { openDeployment } from '../../../infra/deploy/open-deployment.ts';
import {
  type LocalCloudflare,
  type StartCloudflareOptions,
  startCloudflare,
} from '../../../local/cloudflare/start-cloudflare.ts';
import type { WireEntry } from '../../../local/wire-log.ts';
import { createFindBreaches } from '../../contracts/find-breaches.ts';
import { type MemoryParameters, memoryParameters } from '../../fakes/memory-parameters.ts';
import { type ScriptedTerminal, scriptedTerminal } from '../../fakes/scripted-terminal.ts';

export interface TestAccount {
  cf: LocalCloudflare;
  parameters: MemoryParameters;
  terminal: ScriptedTerminal;
  /** A deployment `test` in it, with these settings instead of the usual ones. */
  open(settings?: Record<string, string>): Promise<Deployment>;
  /** Methods and paths of the changes since the last call. */
  writes(): string[];
  /** Requests that differ from Cloudflare's description. */
  breaches(): string[];
  close(): Promise<void>;
}

const findBreaches = createFindBreaches();

/** A Cloudflare account before the first deploy, and the input of a deploy's step. */
export async function startAccount(options: Partial<StartCloudflareOptions> = {}): Promise<TestAccount> {
  const wire: WireEntry[] = [];
  const wireLog = {
    record: (entry: WireEntry) => void (entry.peer === 'cloudflare' && wire.push(entry)),
    close: async () => undefined,
  };
  const cf = await startCloudflare({
    zone: 'eph.test',
    deploymentId: 'test',
    wireLog,
    empty: true,
    ...options,
  });
  const health = createServer((_, reply) => reply.end('{"ok":true}'));
  await new Promise<void>((resolve) => health.listen(0, '127.0.0.1', resolve));
  const { port } = health.address() as AddressInfo;
  const parameters = memoryParameters();
  const terminal = scriptedTerminal();
  let seen = 0;
  return {
    cf,
    parameters,
    terminal,
    async open(settings = {}) {
      const deployment = await openDeployment(terminal, {
        EPH_ENV_FILE: '/dev/null',
        AWS_REGION: 'us-east-1',
        DEPLOYMENT_ID: 'test',
        PREVIEW_ZONE: 'eph.test',
        PREVIEW_ZONE_ID: cf.zoneId,
        CLOUDFLARE_ACCOUNT_ID: cf.accountId,
        CLOUDFLARE_API_URL: cf.apiUrl,
        CLOUDFLARE_API_TOKEN: cf.apiToken,
        ACCESS_TEAM: 'team',
        ACCESS_ALLOW: 'dev@example.com,@acme.dev',
        GITHUB_APP_ID: '1',
        GITHUB_APP_SLUG: 'eph',
        GITHUB_OWNER: 'acme',
        ...settings,
      });
      const { tools } = deployment;
      const worker = { ...tools.worker, webhookUrl: () => `http://127.0.0.1:${port}/webhooks/github` };
      const home = async () => '000000000000/us-east-1';
      return { ...deployment, home, parameters, tools: { ...tools, worker } };
    },
    writes() {
      const written = wire.slice(seen).filter(({ method }) => method !== 'GET');
      seen = wire.length;
      return written.map(
        ({ method, path }) => `${method} ${path.replace(/^\/(accounts|zones)\/[0-9a-f]+\//, '')}`,
      );
    },
    breaches: () => wire.flatMap((entry) => findBreaches(entry)),
    async close() {
      health.close();
      await cf.close();
    },
  };
}
