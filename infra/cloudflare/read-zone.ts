import type { Zone } from 'cloudflare/resources/zones/zones';
import type { CloudflareAccount, CloudflareClient } from './cloudflare-account.ts';
import { needing, permissions } from './permissions.ts';

export interface ZoneFacts {
  id: string;
  name: string;
  accountId: string;
  accountName: string;
  /** Whether its name servers are Cloudflare's; until then nothing in it is served. */
  active: boolean;
  /** The status in Cloudflare's words: `pending`. */
  status: string;
  nameServers: readonly string[];
  /** The plan in Cloudflare's words: `Free Website`. */
  plan: string;
  /** The most DNS records that its plan allows. */
  recordLimit: number;
}

export function readZone({ client, zoneId }: CloudflareAccount): Promise<ZoneFacts> {
  return needing(permissions.zone, async () => factsOf(await client.zones.get({ zone_id: zoneId })));
}

/** All zones that the token sees. */
export function listZones(client: CloudflareClient): Promise<ZoneFacts[]> {
  return needing(permissions.zone, async () => {
    const found: ZoneFacts[] = [];
    for await (const zone of client.zones.list({ per_page: 50 })) found.push(factsOf(zone));
    return found;
  });
}

function factsOf(zone: Zone): ZoneFacts {
  const plan = zone.plan.name ?? 'unknown';
  return {
    id: zone.id,
    name: zone.name,
    accountId: zone.account.id ?? '',
    accountName: zone.account.name ?? '',
    active: zone.status === 'active',
    status: zone.status ?? 'unknown',
    nameServers: zone.name_servers,
    plan,
    recordLimit: recordLimit(plan, Date.parse(zone.created_on)),
  };
}

const SMALLER_SINCE = Date.UTC(2024, 8, 1);

/** https://developers.cloudflare.com/dns/reference/all-features/ */
function recordLimit(plan: string, createdAt: number): number {
  if (!/free/i.test(plan)) return 3_500;
  return createdAt >= SMALLER_SINCE ? 200 : 1_000;
}
