import { setTimeout as sleep } from 'node:timers/promises';
import { accessNames, workerName } from '../../infra/cloudflare/access-names.ts';
import { type CloudflareAccount, cloudflareAccount } from '../../infra/cloudflare/cloudflare-account.ts';
import { listApplications } from '../../infra/cloudflare/ensure-application.ts';
import { findPolicies } from '../../infra/cloudflare/ensure-policy.ts';
import { isMissing, needing, permissions } from '../../infra/cloudflare/permissions.ts';
import { deleteToken, listRuntimeTokens } from '../../infra/cloudflare/runtime-token.ts';
import { verifyToken } from '../../infra/cloudflare/verify-token.ts';
import type { DestroyStep } from '../../infra/deploy/deploy-step.ts';
import type { Deployment } from '../../infra/deploy/deployment.ts';
import { once } from '../../infra/deploy/once.ts';
import { cloudflareTunnels } from '../../lambdas/providers/cloudflare/cloudflare-tunnels.ts';
import type { Tunnels } from '../../lambdas/providers/cloudflare/tunnels.ts';

/** A thing of this deployment, by the name that people see and the id by which it is deleted. */
interface Left {
  name: string;
  id: string;
}

/**
 * Everything at Cloudflare, in an order in which nothing is ever open to everybody or still in use: what leads to the
 * Worker, the Worker, the remains of previews, and only then the Access applications in front of them; a policy after
 * the applications that use it, a service token after its policy.
 *
 * Sign-in methods stay: they belong to the whole organisation. The deploy token also stays, because this step uses
 * it.
 */
export function cloudflareDestroySteps(deployment: Deployment): DestroyStep[] {
  const { DEPLOYMENT_ID } = deployment.settings;
  const names = accessNames(DEPLOYMENT_ID);
  const script = workerName(DEPLOYMENT_ID);
  const step = stepsOf(deployment);
  return [
    step('Cloudflare: routes to the Worker', routes(script)),
    step('Cloudflare: host name of the webhook', workerHosts(script)),
    step('Cloudflare: Worker', workers(script)),
    step('Cloudflare: DNS records of previews', records(deployment)),
    step('Cloudflare: tunnels of previews', tunnels(deployment)),
    step('Cloudflare: Access applications', applications([names.previews, names.dashboard])),
    step('Cloudflare: Access policies', policies([names.people, names.programs])),
    step('Cloudflare: Access service token', serviceTokens(names.serviceToken)),
    step('Cloudflare: token that the functions run with', runtimeTokens(deployment)),
  ];
}

interface Kind {
  list(account: CloudflareAccount): Promise<Left[]>;
  remove(account: CloudflareAccount, id: string): PromiseLike<unknown>;
}

function stepsOf(deployment: Deployment) {
  const open = once(() => cloudflareAccount(deployment));
  return (title: string, { list, remove }: Kind): DestroyStep => ({
    title,
    list: async () => (await list(await open())).map(({ name }) => name),
    async remove(progress) {
      for (const { name, id } of await list(await open())) {
        progress(name);
        try {
          await remove(await open(), id);
        } catch (error) {
          if (!isMissing(error)) throw error;
        }
      }
    },
  });
}

function routes(script: string): Kind {
  return {
    list: ({ client, zoneId }) =>
      needing(permissions.workersRoutes, async () => {
        const found: Left[] = [];
        for await (const route of client.workers.routes.list({ zone_id: zoneId })) {
          if (route.script === script) found.push({ name: route.pattern, id: route.id });
        }
        return found;
      }),
    remove: ({ client, zoneId }, id) => client.workers.routes.delete(id, { zone_id: zoneId }),
  };
}

function workerHosts(script: string): Kind {
  return {
    list: ({ client, accountId }) =>
      needing(permissions.workersScripts, async () => {
        const found: Left[] = [];
        for await (const domain of client.workers.domains.list({ account_id: accountId, service: script })) {
          if (domain.service === script) found.push({ name: domain.hostname, id: domain.id });
        }
        return found;
      }),
    remove: ({ client, accountId }, id) => client.workers.domains.delete(id, { account_id: accountId }),
  };
}

function workers(script: string): Kind {
  return {
    list: ({ client, accountId }) =>
      needing(permissions.workersScripts, async () => {
        for await (const { id } of client.workers.scripts.list({ account_id: accountId })) {
          if (id === script) return [{ name: script, id }];
        }
        return [];
      }),
    remove: ({ client, accountId }, id) => client.workers.scripts.delete(id, { account_id: accountId }),
  };
}

function records(deployment: Deployment): Kind {
  return {
    list: async () =>
      (await openTunnels(deployment))
        .listRecords()
        .then((all) => all.map(({ hostname, id }) => ({ name: hostname, id }))),
    remove: async (_, id) => (await openTunnels(deployment)).deleteRecord(id),
  };
}

/** A tunnel counts as connected for a while after its host is gone. */
const TRIES = 6;
const PAUSE_MS = 5_000;

function tunnels(deployment: Deployment): Kind {
  return {
    list: async () =>
      (await openTunnels(deployment))
        .listTunnels()
        .then((all) => all.map(({ environment, id }) => ({ name: `of ${environment} (${id})`, id }))),
    async remove(_, id) {
      const port = await openTunnels(deployment);
      for (let attempt = 1; ; attempt++) {
        try {
          await port.deleteTunnel(id);
          return;
        } catch (error) {
          if (attempt === TRIES) throw error;
          await sleep(PAUSE_MS);
        }
      }
    },
  };
}

/** Finds our tunnels in the same way as the functions do. */
async function openTunnels({ settings, cloudflare, randomBytes }: Deployment): Promise<Tunnels> {
  return cloudflareTunnels({
    apiUrl: cloudflare.apiUrl,
    apiToken: await cloudflare.token(),
    accountId: cloudflare.accountId,
    zoneId: cloudflare.zoneId,
    deploymentId: settings.DEPLOYMENT_ID,
    accessTeam: settings.ACCESS_TEAM,
    accessAudience: '',
    newSecret: () => Buffer.from(randomBytes(32)).toString('base64'),
  });
}

function applications(names: readonly string[]): Kind {
  return {
    list: (account) =>
      needing(permissions.accessApps, async () =>
        (await listApplications(account)).flatMap(({ id, name = '' }) =>
          id && names.includes(name) ? [{ name, id }] : [],
        ),
      ),
    remove: ({ client, accountId }, id) =>
      client.zeroTrust.access.applications.delete(id, { account_id: accountId }),
  };
}

function policies(names: readonly string[]): Kind {
  return {
    list: (account) =>
      needing(permissions.accessApps, async () => {
        const found = await Promise.all(names.map((name) => findPolicies(account, name)));
        return found.flat().flatMap(({ id, name = '' }) => (id ? [{ name, id }] : []));
      }),
    remove: ({ client, accountId }, id) =>
      client.zeroTrust.access.policies.delete(id, { account_id: accountId }),
  };
}

function serviceTokens(name: string): Kind {
  return {
    list: ({ client, accountId }) =>
      needing(permissions.accessServiceTokens, async () => {
        const found: Left[] = [];
        for await (const token of client.zeroTrust.access.serviceTokens.list({
          account_id: accountId,
          name,
        })) {
          if (token.id && token.name === name) found.push({ name, id: token.id });
        }
        return found;
      }),
    remove: ({ client, accountId }, id) =>
      client.zeroTrust.access.serviceTokens.delete(id, { account_id: accountId }),
  };
}

/**
 * The runtime tokens of this deployment. A pasted token has a name that a person gave it, so a person must revoke it.
 */
function runtimeTokens({ settings, home }: Deployment): Kind {
  const minting = async (account: CloudflareAccount) => {
    const verified = await verifyToken(account.client, account.accountId);
    return {
      account,
      deploymentId: settings.DEPLOYMENT_ID,
      home: await home(),
      owner: verified?.owner ?? ({ kind: 'user' } as const),
    };
  };
  return {
    async list(account) {
      const ids = (await listRuntimeTokens(await minting(account))) ?? [];
      return ids.map((id) => ({ name: id, id }));
    },
    remove: async (account, id) => deleteToken(await minting(account), id),
  };
}
