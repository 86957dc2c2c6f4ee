import { permanent } from '#core/failure';
import { MAX_ADDRESSES, MAX_HANDLE_BYTES } from '#core/limits';
import { serviceHostname } from '#core/names';
import type { Moved, Unit } from '../handle.ts';
import type { Ingress, Opening } from '../ingress.ts';
import { markedKey } from '../marked-key.ts';
import {
  parseHandle,
  type Remembered,
  type RememberedRecord,
  readHandle,
  toHandle,
} from './cloudflare-handle.ts';
import { tunnelName } from './marks.ts';
import type { Tunnels } from './tunnels.ts';

export interface CloudflareIngressSettings {
  deploymentId: string;
  /** The end of every main hostname, with the zone: `-pr.example.com`. */
  suffix: string;
  /** `https://{host}` */
  urlTemplate: string;
}

/**
 * One tunnel per environment with one rule, and a DNS record for each name.
 *
 * Gotchas
 * - The names of tunnel and records are in the handle, and the handle is in the table, before Cloudflare gets a call:
 *   after a crash, what the run made is found by them.
 * - A record exists before its name is reported to anybody: resolvers remember a "no such name" for 30 minutes.
 * - Names are removed first, then the tunnel with its secret: an address must stop answering before anything else.
 * - The name of a tunnel that is being deleted stays taken for a while, so each opening has a name of its own.
 */
export function cloudflareIngress(tunnels: Tunnels, settings: CloudflareIngressSettings): Ingress {
  async function open(environment: string, known: Remembered, opening: Opening): Promise<Moved> {
    const { tunnel, records } = known;
    const wanted = opening.names.map(({ hostname }) => hostname);
    const surplus = findSurplus(known, wanted);
    const added = surplus ? [] : missing(records, wanted);
    if (!tunnel) {
      const name = tunnelName(settings.deploymentId, environment, opening.count);
      // One save is enough for both beginnings.
      return begun({ tunnel: { name, configured: false }, records: [...records, ...added] });
    }
    if (!tunnel.id) {
      const { id } = await tunnels.ensureTunnel(tunnel.name);
      return moved({ ...known, tunnel: { ...tunnel, id } }, tunnel.name);
    }
    if (!tunnel.configured) {
      await tunnels.configure(tunnel.id);
      return moved({ ...known, tunnel: { ...tunnel, configured: true } }, 'configured');
    }
    if (surplus) return withdraw(environment, known, surplus);
    if (added.length > 0) return begun({ ...known, records: [...records, ...added] });
    const next = records.find(({ id }) => !id);
    if (!next) return { handle: toHandle(known), done: true, note: '' };
    const { id } = await tunnels.ensureRecord(next.hostname, tunnel.id, environment);
    const made = records.map((record) => (record === next ? { ...record, id } : record));
    return moved({ ...known, records: made }, next.hostname);
  }

  async function close(environment: string, known: Remembered): Promise<Moved> {
    const [record] = known.records;
    if (record) return withdraw(environment, known, record);
    const { tunnel } = known;
    if (!tunnel) return { handle: undefined, done: true, note: '' };
    const found = tunnel.id ? { id: tunnel.id } : await tunnels.findTunnel(tunnel.name);
    if (found) await tunnels.deleteTunnel(found.id);
    return moved({ records: [] }, `without ${tunnel.name}`);
  }

  async function withdraw(environment: string, known: Remembered, record: RememberedRecord): Promise<Moved> {
    const { id, hostname } = record;
    const found = id ? { id } : await tunnels.findRecord(hostname, environment);
    if (found) await tunnels.deleteRecord(found.id);
    const records = known.records.filter((other) => other !== record);
    return moved({ ...known, records }, `without ${hostname}`);
  }

  const urlOf = (hostname: string) => settings.urlTemplate.replace('{host}', hostname);

  return {
    address(label, service) {
      const main = `${label}${settings.suffix}`;
      const hostname = service === undefined ? main : serviceHostname(service, main);
      return { hostname, url: urlOf(hostname) };
    },

    async move(environment, handle, to, opening) {
      const known = readHandle(handle);
      return to === 'open' ? open(environment, known, opening) : close(environment, known);
    },

    async check(environment, handle) {
      const known = readHandle(handle);
      const [allTunnels, allRecords] = await Promise.all([tunnels.listTunnels(), tunnels.listRecords()]);
      const mark = markedKey(environment);
      const mine = (one: { environment: string }) => one.environment === mark;
      const tunnelIds = allTunnels.filter(mine).map(({ id }) => id);
      const recordIds = allRecords.filter(mine).map(({ id }) => id);
      if (known.tunnel?.id && !tunnelIds.includes(known.tunnel.id)) {
        // The records may exist and lead to it: without their ids, each is found again and pointed at another tunnel.
        return { handle: toHandle({ records: known.records.map(withoutId) }), attached: false };
      }
      const records = known.records.map((record) =>
        record.id && recordIds.includes(record.id) ? record : withoutId(record),
      );
      return { handle: toHandle({ ...known, records }), attached: true };
    },

    async attachment(handle) {
      const { tunnel } = readHandle(handle);
      if (!tunnel?.id)
        throw permanent('no_tunnel', 'There is no tunnel that a machine could use; push again.');
      return { kind: 'connector', token: await tunnels.token(tunnel.id) };
    },

    isOpen(handle, names) {
      const known = parseHandle(handle);
      if (known === 'unknown' || !known.tunnel?.id || !known.tunnel.configured) return false;
      const made = new Set(known.records.filter(({ id }) => id).map(({ hostname }) => hostname));
      return names.every(({ hostname }) => made.has(hostname));
    },

    // A record is a unit of its own, although its tunnel may be wanted: a record that was made late, for a run that had
    // given up, would otherwise be part of that tunnel, and stay.
    async *list() {
      const [allTunnels, allRecords] = await Promise.all([tunnels.listTunnels(), tunnels.listRecords()]);
      for (const { id, environment, createdAt } of allTunnels)
        yield { id, what: 'tunnel', environment, since: createdAt };
      for (const { id, environment, createdAt } of allRecords)
        yield { id, what: 'record', environment, since: createdAt };
    },

    owns(handle) {
      const { tunnel, records } = readHandle(handle);
      return [tunnel, ...records].flatMap((one) => one?.id ?? []);
    },

    hasBegun(handle) {
      const { tunnel, records } = readHandle(handle);
      return [tunnel, ...records].some((one) => one !== undefined && one.id === undefined);
    },

    async discard({ id, what }: Unit) {
      await (what === 'tunnel' ? tunnels.deleteTunnel(id) : tunnels.deleteRecord(id));
      return 'removed';
    },

    upgrade: (handle) => (parseHandle(handle) === 'unknown' ? 'unknown' : handle),
  };
}

function begun(known: Remembered): Moved {
  return { handle: toHandle(known), saveFirst: true, done: false, note: '' };
}

function moved(known: Remembered, note: string): Moved {
  return { handle: toHandle(known), done: false, note };
}

function missing(records: readonly RememberedRecord[], wanted: readonly string[]): RememberedRecord[] {
  const known = new Set(records.map(({ hostname }) => hostname));
  return wanted.filter((hostname) => !known.has(hostname)).map((hostname) => ({ hostname }));
}

function withoutId({ hostname }: RememberedRecord): RememberedRecord {
  return { hostname };
}

/**
 * Names that no service has any more are kept until there are too many: what they lead to may still be running. Without
 * a limit, a host could fill the zone, and the row, with other service names in each report.
 */
function findSurplus(known: Remembered, wanted: readonly string[]): RememberedRecord | undefined {
  const records = [...known.records, ...missing(known.records, wanted)];
  if (records.length <= MAX_ADDRESSES && sizeOf({ ...known, records }) <= MAX_HANDLE_BYTES) return undefined;
  return known.records.find(({ hostname }) => !wanted.includes(hostname));
}

/** Size of the handle once each record is made: what fits now must fit then. */
function sizeOf(known: Remembered): number {
  const records = known.records.map(({ hostname }) => ({ id: ID, hostname }));
  return new TextEncoder().encode(JSON.stringify(toHandle({ ...known, records }))).length;
}

/** https://developers.cloudflare.com/api/resources/dns/subresources/records/: at most 32 characters. */
const ID = 'i'.repeat(32);
