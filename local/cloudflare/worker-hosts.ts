/**
 * Host names of the zone at which a Worker answers ("custom domains"). Each makes its own DNS record, which the DNS
 * API can then neither change nor delete.
 *
 * Gotchas
 * - A name that has a record is refused (100117), and so is one that leads to another Worker; Cloudflare's
 *   description lacks the parameters that would override that, so they are unknown here.
 * - Wildcards and other zones are refused.
 */
import { CloudflareError } from './cloudflare-error.ts';
import { createCollection } from './collection.ts';
import type { DnsRecords } from './dns-records.ts';

/** developers.cloudflare.com/workers/platform/limits */
const MAX_HOSTS = 100;

interface WorkerHost {
  id: string;
  hostname: string;
  service: string;
  zone_id: string;
  zone_name: string;
  environment: string;
  cert_id: string;
}

interface HostsOptions {
  zone: string;
  zoneId: string;
  newId: () => string;
  records: DnsRecords;
  hasScript: (name: string) => boolean;
}

export type WorkerHosts = ReturnType<typeof createWorkerHosts>;

export function createWorkerHosts({ zone, zoneId, newId, records, hasScript }: HostsOptions) {
  const hosts = createCollection<WorkerHost>(
    () => new CloudflareError(404, 100_114, 'workers.api.error.domain_not_found'),
  );
  const recordIds = new Map<string, string>();

  return {
    listWorkerHosts: (query: { hostname?: string; service?: string; zone_id?: string }): WorkerHost[] =>
      hosts
        .all()
        .filter(({ hostname }) => query.hostname === undefined || hostname === query.hostname)
        .filter(({ service }) => query.service === undefined || service === query.service)
        .filter(({ zone_id }) => query.zone_id === undefined || zone_id === query.zone_id),

    putWorkerHost(body: {
      hostname: string;
      service: string;
      zone_id?: string;
      zone_name?: string;
    }): WorkerHost {
      const { hostname, service } = body;
      if (!hasScript(service)) throw new CloudflareError(404, 10007, 'workers.api.error.script_not_found');
      if (body.zone_id !== undefined && body.zone_id !== zoneId) {
        throw new CloudflareError(400, 100_112, 'workers.api.error.zone_not_found');
      }
      if (hostname.includes('*') || !(hostname === zone || hostname.endsWith(`.${zone}`))) {
        throw new CloudflareError(400, 100_113, `workers.api.error.invalid_hostname: ${hostname}`);
      }
      const there = hosts.all().find((host) => host.hostname === hostname);
      if (there && there.service !== service) {
        throw new CloudflareError(409, 100_116, `Hostname '${hostname}' already leads to another Worker.`);
      }
      if (there) return there;
      if (records.recordsAt(hostname).length > 0) {
        throw new CloudflareError(
          409,
          100_117,
          `Hostname '${hostname}' already has externally managed DNS records (A, CNAME, etc).`,
        );
      }
      if (hosts.all().length >= MAX_HOSTS) {
        throw new CloudflareError(
          400,
          100_118,
          `The zone has reached its limit of ${MAX_HOSTS} custom domains`,
        );
      }
      const record = records.createRecord({
        type: 'AAAA',
        name: hostname,
        content: '100::',
        proxied: true,
        ttl: 1,
      });
      records.manageRecord(record.id);
      const id = newId().replaceAll('-', '');
      recordIds.set(id, record.id);
      return hosts.add({
        id,
        hostname,
        service,
        zone_id: zoneId,
        zone_name: zone,
        environment: 'production',
        cert_id: newId(),
      });
    },

    deleteWorkerHost(id: string) {
      hosts.remove(id);
      records.removeManagedRecord(recordIds.get(id) ?? '');
      return { success: true, errors: [], messages: [] };
    },

    hostsOfScript: (script: string): string[] =>
      hosts
        .all()
        .filter(({ service }) => service === script)
        .map(({ hostname }) => hostname),
    scriptOfHost: (hostname: string): string | undefined =>
      hosts.all().find((host) => host.hostname === hostname)?.service,
  };
}
