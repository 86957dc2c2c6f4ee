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
import { atOnce, reading, type Wire, writing } from './wire.ts';

const NEW_SECRET = Buffer.alloc(32, 7).toString('base64');

/** The port over Cloudflare's state machine, with the adapter's calls and its reading of their errors. */
export function fakeTunnels({ machine }: Cloudflare, deploymentId: string, wire: Wire = atOnce): Tunnels {
  const read = <T>(operation: string, about: string, effect: () => T) =>
    wire(reading(`cloudflare ${operation}`, about), effect);
  const write = <T>(operation: string, about: string, effect: () => T) =>
    wire(writing(`cloudflare ${operation}`, about), effect);

  /** Lists as the client does, which asks for another page after each page that is not empty. */
  async function everyPage<T>(list: (page: string) => Promise<ResultPage<T>>): Promise<T[]> {
    const found: T[] = [];
    for (let page = 1; ; page += 1) {
      const { items } = await list(String(page));
      if (items.length === 0) return found;
      found.push(...items);
    }
  }
  const recordOf = async (hostname: string): Promise<DnsRecord | undefined> => {
    const { items } = await read('listRecords', hostname, () =>
      machine.listRecords({ 'name.exact': hostname }),
    );
    return items[0];
  };
  const findTunnel: Tunnels['findTunnel'] = async (name) => {
    const { items } = await read('listTunnels', name, () =>
      machine.listTunnels({ name, is_deleted: 'false' }),
    );
    return items[0] && { id: items[0].id };
  };

  return withErrors<Tunnels>(
    {
      async ensureTunnel(name) {
        try {
          return await write('createTunnel', name, () => ({
            id: machine.createTunnel({ name, config_src: 'cloudflare' }).id,
          }));
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
        await write('putConfiguration', tunnelId, () =>
          machine.putConfiguration(tunnelId, {
            config: { ingress: [{ service: 'http://localhost:8080', originRequest }] },
          }),
        );
      },
      token: (tunnelId) => read('tunnelToken', tunnelId, () => machine.tunnelToken(tunnelId)),
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
          return await write('createRecord', hostname, () => ({ id: machine.createRecord(wanted).id }));
        } catch (error) {
          if (!(error instanceof CloudflareError) || ![81053, 81054, 81058].includes(error.code)) throw error;
        }
        const found = await recordOf(hostname);
        if (found?.comment !== wanted.comment) {
          throw permanent('hostname_taken', `A DNS record for ${hostname} exists and is not ours.`);
        }
        if (found.content !== wanted.content) {
          await write('updateRecord', found.id, () => machine.updateRecord(found.id, wanted));
        }
        return { id: found.id };
      },
      async findRecord(hostname, environment) {
        const found = await recordOf(hostname);
        return found?.comment === recordComment(deploymentId, environment) ? { id: found.id } : undefined;
      },
      deleteRecord: (recordId) =>
        unlessMissing(async () => {
          await write('deleteRecord', recordId, () => machine.deleteRecord(recordId));
        }),
      deleteTunnel: (tunnelId) =>
        unlessMissing(async () => {
          await write('editTunnel', tunnelId, () =>
            machine.editTunnel(tunnelId, { tunnel_secret: NEW_SECRET }),
          );
          await write('deleteConnections', tunnelId, () => machine.deleteConnections(tunnelId));
          await write('deleteTunnel', tunnelId, () => machine.deleteTunnel(tunnelId));
        }),
      async listTunnels() {
        const ours = { is_deleted: 'false', include_prefix: tunnelPrefix(deploymentId), per_page: '1000' };
        const all = await everyPage((page) =>
          read('listTunnels', page, () => machine.listTunnels({ ...ours, page })),
        );
        return all.flatMap(({ id, name, created_at }) => {
          const environment = parseTunnelName(deploymentId, name);
          return environment ? [{ id, environment, createdAt: Date.parse(created_at) }] : [];
        });
      },
      async listRecords() {
        const ours = {
          type: 'CNAME',
          'comment.startswith': recordComment(deploymentId, ''),
          per_page: '1000',
        };
        const all = await everyPage((page) =>
          read('listRecords', page, () => machine.listRecords({ ...ours, page })),
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

async function unlessMissing(act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (!hasStatus(error, 404)) throw error;
  }
}

/** The error that the official client throws. */
function asPortError(error: unknown): unknown {
  if (!(error instanceof CloudflareError)) return error;
  const body = { errors: [{ code: error.code, message: error.message }] };
  return asCloudflareError(APIError.generate(error.status, body, error.message, new Headers()));
}
