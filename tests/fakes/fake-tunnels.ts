import { APIError } from 'cloudflare/core/error';
import { EphError, permanent } from '#core/failure';
import { withErrors } from '../../lambdas/adapters/with-errors.ts';
import { asCloudflareError } from '../../lambdas/providers/cloudflare/cloudflare-tunnels.ts';
import {
  parseRecordComment,
  parseTunnelName,
  recordComment,
  tunnelPrefix,
} from '../../lambdas/providers/cloudflare/marks.ts';
import type { Tunnels } from '../../lambdas/providers/cloudflare/tunnels.ts';
import type { Cloudflare } from '../../local/cloudflare/cloudflare.ts';
import { CloudflareError } from '../../local/cloudflare/cloudflare-error.ts';
import type { ResultPage } from '../../local/cloudflare/collection.ts';
import type { DnsRecord } from '../../local/cloudflare/dns-records.ts';

const NEW_SECRET = Buffer.alloc(32, 7).toString('base64');

/** The port over Cloudflare's state machine, with the adapter's reading of its errors. */
export function fakeTunnels({ machine }: Cloudflare, deploymentId: string): Tunnels {
  const everyPage = <T>(list: (page: string) => ResultPage<T>): T[] => {
    const found: T[] = [];
    for (let page = 1; ; page += 1) {
      const { items, info } = list(String(page));
      found.push(...items);
      if (page >= info.total_pages) return found;
    }
  };
  const recordOf = (hostname: string): DnsRecord | undefined =>
    machine.listRecords({ 'name.exact': hostname }).items[0];

  const findTunnel: Tunnels['findTunnel'] = async (name) => {
    const [tunnel] = machine.listTunnels({ name, is_deleted: 'false' }).items;
    return tunnel && { id: tunnel.id };
  };

  return withErrors<Tunnels>(
    {
      async ensureTunnel(name) {
        try {
          return { id: machine.createTunnel({ name, config_src: 'cloudflare' }).id };
        } catch (error) {
          if (!hasStatus(error, 409)) throw error;
        }
        const found = await findTunnel(name);
        if (!found) throw new EphError('transient', 'tunnel_lost', 'Cloudflare has it and does not list it.');
        return found;
      },
      findTunnel,
      async configure(tunnelId) {
        const originRequest = { access: { required: true, teamName: 'team', audTag: ['aud'] } };
        machine.putConfiguration(tunnelId, {
          config: { ingress: [{ service: 'http://localhost:8080', originRequest }] },
        });
      },
      token: async (tunnelId) => machine.tunnelToken(tunnelId),
      async ensureRecord(hostname, tunnelId, environment) {
        const wanted = {
          type: 'CNAME',
          name: hostname,
          content: `${tunnelId}.cfargotunnel.com`,
          proxied: true,
          ttl: 1,
          comment: recordComment(deploymentId, environment),
        };
        try {
          return { id: machine.createRecord(wanted).id };
        } catch (error) {
          if (!(error instanceof CloudflareError) || ![81053, 81054, 81058].includes(error.code)) throw error;
        }
        const found = recordOf(hostname);
        if (found?.comment !== wanted.comment) {
          throw permanent('hostname_taken', `A DNS record for ${hostname} exists and is not ours.`);
        }
        if (found.content !== wanted.content) machine.updateRecord(found.id, wanted, 'replace');
        return { id: found.id };
      },
      async findRecord(hostname, environment) {
        const found = recordOf(hostname);
        return found?.comment === recordComment(deploymentId, environment) ? { id: found.id } : undefined;
      },
      async deleteRecord(recordId) {
        ignoreMissing(() => machine.deleteRecord(recordId));
      },
      async deleteTunnel(tunnelId) {
        ignoreMissing(() => {
          machine.editTunnel(tunnelId, { tunnel_secret: NEW_SECRET });
          machine.deleteConnections(tunnelId);
          machine.deleteTunnel(tunnelId);
        });
      },
      async listTunnels() {
        const prefix = tunnelPrefix(deploymentId);
        const all = everyPage((page) =>
          machine.listTunnels({ is_deleted: 'false', include_prefix: prefix, page }),
        );
        return all.flatMap(({ id, name, created_at }) => {
          const environment = parseTunnelName(deploymentId, name);
          return environment ? [{ id, environment, createdAt: Date.parse(created_at) }] : [];
        });
      },
      async listRecords() {
        const all = everyPage((page) =>
          machine.listRecords({ type: 'CNAME', 'comment.startswith': recordComment(deploymentId, ''), page }),
        );
        return all.flatMap(({ id, name, content, comment, created_on }) => {
          const environment = parseRecordComment(deploymentId, comment ?? '');
          const tunnelId = String(content).replace(/\.cfargotunnel\.com$/, '');
          return environment
            ? [{ id, hostname: name, tunnelId, environment, createdAt: Date.parse(created_on) }]
            : [];
        });
      },
    },
    asPortError,
  );
}

function hasStatus(error: unknown, status: number): boolean {
  return error instanceof CloudflareError && error.status === status;
}

function ignoreMissing(act: () => void): void {
  try {
    act();
  } catch (error) {
    if (!hasStatus(error, 404)) throw error;
  }
}

/** As the official client throws it. */
function asPortError(error: unknown): unknown {
  if (!(error instanceof CloudflareError)) return error;
  const body = { errors: [{ code: error.code, message: error.message }] };
  return asCloudflareError(APIError.generate(error.status, body, error.message, new Headers()));
}
