import { APIError } from 'cloudflare/core/error';
import { BaseRecords } from 'cloudflare/resources/dns/records';
import { BaseCloudflared } from 'cloudflare/resources/zero-trust/tunnels/cloudflared/cloudflared';
import {
  BaseConfigurations,
  type ConfigurationUpdateParams,
} from 'cloudflare/resources/zero-trust/tunnels/cloudflared/configurations';
import { BaseConnections } from 'cloudflare/resources/zero-trust/tunnels/cloudflared/connections';
import { BaseToken } from 'cloudflare/resources/zero-trust/tunnels/cloudflared/token';
import { createClient } from 'cloudflare/tree-shakable';
import { EphError, permanent } from '#core/failure';
import { withErrors } from '../../adapters/with-errors.ts';
import { parseRecordComment, parseTunnelName, recordComment, tunnelPrefix } from './marks.ts';
import type { ListedRecord, Tunnels } from './tunnels.ts';

/** Where the host's proxy listens, on the host's loopback. */
const ORIGIN = 'http://localhost:8080';
/** A record leads to a tunnel by a name in this zone. */
const TUNNEL_ZONE = '.cfargotunnel.com';

export interface CloudflareSettings {
  apiUrl: string;
  apiToken: string;
  accountId: string;
  zoneId: string;
  deploymentId: string;
  accessTeam: string;
  accessAudience: string;
  /** 32 random bytes, base64. */
  newSecret(): string;
}

/**
 * Tunnels and DNS records.
 *
 * Gotchas
 * - cloudflared checks the visitor's Access token only if the rule itself requires it; `config.originRequest`
 *   is parsed and ignored (cloudflared, ingress/ingress.go). So the only rule there is requires the check.
 * - A PUT of the configuration replaces everything, so it is safe to repeat.
 * - A tunnel with connections cannot be deleted, and connections remain for a while after the connector is gone: set a
 *   new secret (locks the old connector out), delete the connections, delete the tunnel, and try again if needed.
 * - DNS tags are not on the free plan: a record is ours by its comment and because it points at a tunnel.
 */
export function cloudflareTunnels(settings: CloudflareSettings): Tunnels {
  const client = createClient({
    apiToken: settings.apiToken,
    baseURL: settings.apiUrl,
    maxRetries: 2,
    timeout: 10_000,
    fetch: fetchWithoutWaiting,
    resources: [BaseCloudflared, BaseConfigurations, BaseConnections, BaseToken, BaseRecords],
  });
  const account = { account_id: settings.accountId };
  const zone = { zone_id: settings.zoneId };
  const { cloudflared } = client.zeroTrust.tunnels;

  async function findTunnel(name: string): Promise<{ id: string } | undefined> {
    for await (const tunnel of cloudflared.list({ ...account, name, is_deleted: false })) {
      if (tunnel.id && tunnel.name === name) return { id: tunnel.id };
    }
    return undefined;
  }

  async function findRecord(hostname: string) {
    for await (const record of client.dns.records.list({ ...zone, name: { exact: hostname } })) {
      if (record.name === hostname) return record;
    }
    return undefined;
  }

  return withErrors<Tunnels>(
    {
      async ensureTunnel(name) {
        try {
          // The client regards 409 as temporary and would ask twice more; here it is an answer.
          const once = { maxRetries: 0 };
          const tunnel = await cloudflared.create({ ...account, name, config_src: 'cloudflare' }, once);
          if (tunnel.id) return { id: tunnel.id };
        } catch (error) {
          // It was made by a run that crashed before it could save that.
          if (!(error instanceof APIError) || error.status !== 409) throw error;
        }
        const found = await findTunnel(name);
        if (!found)
          throw new EphError('transient', 'tunnel_lost', 'Cloudflare has the tunnel and does not list it.');
        return found;
      },

      findTunnel,

      async configure(tunnelId) {
        const rule = {
          service: ORIGIN,
          originRequest: {
            access: { required: true, teamName: settings.accessTeam, audTag: [settings.accessAudience] },
          },
        };
        await cloudflared.configurations.update(tunnelId, {
          ...account,
          // The type demands a hostname; the catch-all rule, which must be last, has none.
          config: { ingress: [rule as ConfigurationUpdateParams.Config.Ingress] },
        });
      },

      token: (tunnelId) => cloudflared.token.get(tunnelId, account),

      async ensureRecord(hostname, tunnelId, environment) {
        const wanted = {
          type: 'CNAME' as const,
          name: hostname,
          content: `${tunnelId}${TUNNEL_ZONE}`,
          proxied: true,
          ttl: 1 as const,
          comment: recordComment(settings.deploymentId, environment),
        };
        try {
          const { id } = await client.dns.records.create({ ...zone, ...wanted });
          return { id };
        } catch (error) {
          if (!isNameTaken(error)) throw error;
        }
        const found = await findRecord(hostname);
        if (found?.comment !== wanted.comment) {
          throw permanent(
            'hostname_taken',
            `A DNS record for ${hostname} exists and is not this environment’s. Remove it in Cloudflare, then push again.`,
          );
        }
        if (found.content !== wanted.content)
          await client.dns.records.update(found.id, { ...zone, ...wanted });
        return { id: found.id };
      },

      async findRecord(hostname, environment) {
        const found = await findRecord(hostname);
        return found?.comment === recordComment(settings.deploymentId, environment)
          ? { id: found.id }
          : undefined;
      },

      async deleteRecord(recordId) {
        await ignoreMissing(client.dns.records.delete(recordId, zone));
      },

      async deleteTunnel(tunnelId) {
        try {
          await cloudflared.edit(tunnelId, { ...account, tunnel_secret: settings.newSecret() });
          await cloudflared.connections.delete(tunnelId, account);
          await cloudflared.delete(tunnelId, account);
        } catch (error) {
          if (!isMissing(error)) throw error;
        }
      },

      async listTunnels() {
        const found: Awaited<ReturnType<Tunnels['listTunnels']>> = [];
        const ours = { ...account, is_deleted: false, include_prefix: tunnelPrefix(settings.deploymentId) };
        for await (const tunnel of cloudflared.list({ ...ours, per_page: 1_000 })) {
          const environment = parseTunnelName(settings.deploymentId, tunnel.name ?? '');
          if (!environment || !tunnel.id) continue;
          found.push({ id: tunnel.id, environment, createdAt: Date.parse(tunnel.created_at ?? '') || 0 });
        }
        return found;
      },

      async listRecords() {
        const found: ListedRecord[] = [];
        const ours = {
          ...zone,
          type: 'CNAME' as const,
          comment: { startswith: recordComment(settings.deploymentId, '') },
        };
        for await (const record of client.dns.records.list({ ...ours, per_page: 1_000 })) {
          const environment = parseRecordComment(settings.deploymentId, record.comment ?? '');
          const content = 'content' in record ? String(record.content) : '';
          if (!environment || !content.endsWith(TUNNEL_ZONE)) continue;
          found.push({
            id: record.id,
            hostname: record.name,
            tunnelId: content.slice(0, -TUNNEL_ZONE.length),
            environment,
            createdAt: Date.parse(record.created_on ?? '') || 0,
          });
        }
        return found;
      },
    },
    asCloudflareError,
  );
}

export function asCloudflareError(error: unknown): unknown {
  if (error instanceof EphError) return error;
  if (!(error instanceof APIError)) return error;
  const code = `cloudflare_${error.status ?? 'unreachable'}`;
  if (errorCodes(error).includes(TOO_MANY_RECORDS)) {
    const sentence =
      'The Cloudflare zone has no room for another DNS record (a free zone holds 200). The preview starts when another one is closed.';
    return new EphError('transient', 'dns_records_full', sentence, { cause: error });
  }
  if (error.status === 401 || error.status === 403) {
    const sentence =
      'Cloudflare refuses Eph’s token. Its operator needs to check the token’s permissions or renew it.';
    return new EphError('transient', code, sentence, { cause: error });
  }
  const seconds = Number(error.headers?.get?.('retry-after'));
  const retryAfter = seconds > 0 ? { retryAfter: seconds * 1_000 } : {};
  return new EphError('transient', code, 'Cloudflare did not answer as expected.', {
    cause: error,
    ...retryAfter,
  });
}

/**
 * The client sleeps for as long as `retry-after` says, up to five minutes, and the function would end during that time.
 * So an answer with that header tells the client not to wait, and the row waits instead (`retryAfter`).
 */
async function fetchWithoutWaiting(...request: Parameters<typeof fetch>): Promise<Response> {
  const reply = await fetch(...request);
  if (!reply.headers.has('retry-after')) return reply;
  const headers = new Headers(reply.headers);
  headers.set('x-should-retry', 'false');
  return new Response(reply.body, { status: reply.status, statusText: reply.statusText, headers });
}

/** https://developers.cloudflare.com/dns/troubleshooting/dns-record-errors/ */
const NAME_TAKEN = [81053, 81054, 81057, 81058];
const TOO_MANY_RECORDS = 81045;

function errorCodes(error: APIError): number[] {
  return error.errors?.map(({ code }) => Number(code)) ?? [];
}

function isNameTaken(error: unknown): boolean {
  return error instanceof APIError && errorCodes(error).some((code) => NAME_TAKEN.includes(code));
}

function isMissing(error: unknown): boolean {
  return error instanceof APIError && error.status === 404;
}

async function ignoreMissing(call: PromiseLike<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}
