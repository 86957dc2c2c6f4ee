import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RepositoryRef } from '../../lambdas/ports.ts';
import { cloudflareTunnels } from '../../lambdas/providers/cloudflare/cloudflare-tunnels.ts';
import type { Tunnels } from '../../lambdas/providers/cloudflare/tunnels.ts';
import type { GithubWire } from '../../lambdas/providers/github/github-wire.ts';
import { octokitGithub } from '../../lambdas/providers/github/octokit-github.ts';
import { type LocalCloudflare, startCloudflare } from '../../local/cloudflare/start-cloudflare.ts';
import type { PullRequest, Repository } from '../../local/github/github-state.ts';
import { type RunningGithub, startGithub } from '../../local/github/start-github.ts';
import type { WireEntry } from '../../local/wire-log.ts';

/** The product's adapters, on the wire with the stand-ins; the calls that set the stand-ins up are not kept. */
export interface Adapters {
  cloudflare: LocalCloudflare;
  github: RunningGithub;
  tunnels: Tunnels;
  pullRequests: GithubWire;
  /** Everything that the adapters sent and received so far. */
  wire: WireEntry[];
  /** The methods of the ports that were not called yet. */
  notCalled(): string[];
  makeTunnels(apiToken: string): Tunnels;
  openPullRequest(name: string): Promise<OpenPullRequest>;
  close(): Promise<void>;
}

export interface OpenPullRequest {
  ref: RepositoryRef;
  repository: Repository;
  pull: PullRequest;
  sha: string;
}

export async function startAdapters(now: () => number): Promise<Adapters> {
  const dir = await mkdtemp(join(tmpdir(), 'eph-contracts-'));
  const wire: WireEntry[] = [];
  const wireLog = {
    record(entry: WireEntry) {
      if (entry.peer === 'github' || entry.peer === 'cloudflare') wire.push(entry);
    },
    close: async () => undefined,
  };
  const cloudflare = await startCloudflare({ zone: 'eph.test', wireLog, now });
  // No server listens there, so that deliveries fail.
  const github = await startGithub({ dataDir: dir, wireLog, strict: true, hookUrl: 'http://127.0.0.1:9/' });
  const makeTunnels = (apiToken: string) =>
    cloudflareTunnels({
      apiUrl: cloudflare.apiUrl,
      apiToken,
      accountId: cloudflare.accountId,
      zoneId: cloudflare.zoneId,
      deploymentId: 'test',
      accessTeam: cloudflare.access.teamName,
      accessAudience: cloudflare.access.applicationAud,
      newSecret: () => Buffer.alloc(32, 7).toString('base64'),
    });
  const pullRequests = octokitGithub({
    apiUrl: github.apiUrl,
    appId: github.app.id,
    privateKey: github.app.privateKey,
    now: Date.now,
  });
  wire.length = 0;
  const notCalled = new Set<string>();
  return {
    cloudflare,
    github,
    tunnels: noting(makeTunnels(cloudflare.runtimeToken), notCalled),
    pullRequests: noting(pullRequests, notCalled),
    wire,
    notCalled: () => [...notCalled],
    makeTunnels,

    async openPullRequest(name) {
      const {
        id,
        owner,
        sha = '',
      } = await github.createRepository({
        name,
        private: true,
        files: { 'eph.yaml': 'primary: web\n' },
      });
      const repository = github.github.state.repositories.get(id);
      if (!repository) throw new Error(`GitHub has no repository ${name}.`);
      repository.branches.set('change', sha);
      const pull = github.github.pulls.create(repository, github.github.account('writer'), {
        title: 'A change',
        body: null,
        head: { repository, branch: 'change' },
        base: 'main',
        draft: false,
      });
      const ref = { repositoryId: id, access: String(github.installationId), owner, name };
      return { ref, repository, pull, sha };
    },

    async close() {
      await Promise.all([cloudflare.close(), github.close()]);
      await rm(dir, { recursive: true, force: true });
    },
  };
}

function noting<T extends object>(port: T, notCalled: Set<string>): T {
  for (const name of Object.keys(port)) notCalled.add(name);
  return new Proxy(port, {
    get(target, name, receiver) {
      if (typeof name === 'string') notCalled.delete(name);
      return Reflect.get(target, name, receiver);
    },
  });
}
