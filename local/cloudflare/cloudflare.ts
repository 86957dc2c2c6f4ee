/**
 * Cloudflare as a pure state machine: one account with one zone on the free plan. No I/O; the clock and the
 * ids are given. The wire server (api.ts), the edge (edge.ts) and the unit tests' fakes are skins over it.
 *
 * Its methods take the bodies and queries of Cloudflare's API and return `result`, or throw CloudflareError.
 * Methods that are not named after an API call (`resolve`, `protectionOf`, `registerConnection`, ...) are for the
 * edge. Any method can be made to fail with `faults.failNext('deleteTunnel', { status, code, message })`.
 *
 * Error codes are Cloudflare's where a public source shows them (1013, 1022, 1056, 81044, 81053, 81054,
 * 81058, 9109, 10000, 10007, 10020, 11010, 12130); the others have the right HTTP status and a code of the
 * same family. Decide by status, and by code only for those named here.
 */
import { type AccessApplications, createAccessApplications } from './access-applications.ts';
import { type AccessOrganization, createAccessOrganization } from './access-organization.ts';
import { type AccessPolicies, createAccessPolicies } from './access-policies.ts';
import { type ApiTokens, createApiTokens } from './api-tokens.ts';
import { CloudflareError } from './cloudflare-error.ts';
import { type PageQuery, pageOf } from './collection.ts';
import { createDnsRecords, type DnsRecords } from './dns-records.ts';
import { type Faults, withFaults } from './faults.ts';
import { createTunnels, type Tunnels } from './tunnels.ts';
import { createWorkerHosts, type WorkerHosts } from './worker-hosts.ts';
import { createWorkerRoutes, type WorkerRoutes } from './worker-routes.ts';
import { createWorkerScripts, type WorkerScripts } from './worker-scripts.ts';

export interface CloudflareOptions {
  zone: string;
  now: () => number;
  /** A fresh UUID. */
  newId: () => string;
  /** False if nobody has set up Zero Trust in the dashboard yet. */
  zeroTrust?: boolean;
  /** The zone's plan; `free` by default. */
  plan?: ZonePlan;
  /** `pending` means that its name servers are not Cloudflare's yet. */
  zoneStatus?: 'active' | 'pending';
}

export type ZonePlan = 'free' | 'pro';
type Account = ReturnType<typeof createAccount>;
export type CloudflareMachine = Account &
  Tunnels &
  DnsRecords &
  WorkerRoutes &
  WorkerScripts &
  WorkerHosts &
  AccessApplications &
  AccessPolicies &
  AccessOrganization &
  ApiTokens;

export interface Cloudflare {
  machine: CloudflareMachine;
  faults: Faults;
}

export function createCloudflare(options: CloudflareOptions): Cloudflare {
  const { zone, now, newId } = options;
  const accountId = newId().replaceAll('-', '');
  const zoneId = newId().replaceAll('-', '');
  const organization = createAccessOrganization({
    now,
    newId,
    ...(options.zeroTrust === false ? {} : { organization: teamOf(zone) }),
  });
  const policies = createAccessPolicies({
    now,
    newId,
    usersOf: (id) => applications.usersOfPolicy(id),
  });
  const applications = createAccessApplications({
    zone,
    newId,
    findPolicy: policies.findPolicy,
    identityProviderExists: organization.identityProviderExists,
    requireOrganization: organization.getOrganization,
  });
  const plan = options.plan ?? 'free';
  const records = createDnsRecords({ zone, now, newId, maxRecords: maxRecords[plan] });
  const scripts = createWorkerScripts({
    now,
    usersOf: (name) => [...routes.routesOfScript(name), ...hosts.hostsOfScript(name)],
  });
  const routes = createWorkerRoutes({ zone, newId, hasScript: scripts.hasScript });
  const hosts = createWorkerHosts({ zone, zoneId, newId, records, hasScript: scripts.hasScript });
  return withFaults({
    ...createAccount({
      zone,
      accountId,
      zoneId,
      createdAt: now(),
      plan,
      status: options.zoneStatus ?? 'active',
    }),
    ...createTunnels({ accountId, now, newId }),
    ...records,
    ...routes,
    ...scripts,
    ...hosts,
    ...organization,
    ...policies,
    ...applications,
    ...createApiTokens({ accountId, zoneId, now, newId }),
  });
}

/** The name in rules' `teamName`. */
export const TEAM_NAME = 'team';

/** The local organization is inside the zone, since no name of Cloudflare's can be served here. */
function teamOf(zone: string) {
  return {
    name: TEAM_NAME,
    auth_domain: `${TEAM_NAME}.${zone}`,
    session_duration: '24h',
    strict_service_token_auth: true,
  } as const;
}

/** developers.cloudflare.com/dns/reference/all-features; of free zones those created since 2024-09-01. */
const maxRecords: Record<ZonePlan, number> = { free: 200, pro: 3_500 };

interface AccountOptions {
  zone: string;
  accountId: string;
  zoneId: string;
  createdAt: number;
  plan: ZonePlan;
  status: 'active' | 'pending';
}

function createAccount({ zone, accountId, zoneId, createdAt, plan, status }: AccountOptions) {
  const time = new Date(createdAt).toISOString();
  const account = { id: accountId, name: 'Local account' } as const;
  const theZone = {
    id: zoneId,
    name: zone,
    account,
    status,
    type: 'full',
    paused: false,
    development_mode: 0,
    activated_on: status === 'active' ? time : null,
    created_on: time,
    modified_on: time,
    name_servers: [`ada.ns.${zone}`, `bob.ns.${zone}`],
    original_dnshost: null,
    original_name_servers: [],
    original_registrar: null,
    owner: { ...account, type: 'organization' },
    plan: {
      id: plan,
      name: plan === 'free' ? 'Free Website' : 'Pro Website',
      price: plan === 'free' ? 0 : 25,
      currency: 'USD',
      legacy_id: plan,
      is_subscribed: true,
    },
    meta: { step: 4, custom_certificate_quota: 0, page_rule_quota: 3 },
  } as const;
  const requireAccount = (id: string): void => {
    if (id === accountId) return;
    throw new CloudflareError(
      404,
      7003,
      `Could not route to /accounts/${id}, perhaps your object identifier is invalid?`,
    );
  };
  const requireZone = (id: string): typeof theZone => {
    if (id === zoneId) return theZone;
    throw new CloudflareError(
      404,
      7003,
      `Could not route to /zones/${id}, perhaps your object identifier is invalid?`,
    );
  };
  return {
    accountId,
    zoneId,
    zone,
    requireAccount,
    getZone: requireZone,
    listZones(query: PageQuery & { name?: string; status?: string; 'account.id'?: string }) {
      const fits =
        (query.name === undefined || query.name === zone) &&
        (query.status === undefined || query.status === theZone.status) &&
        (query['account.id'] === undefined || query['account.id'] === accountId);
      return pageOf(fits ? [theZone] : [], query, 20, 50);
    },
  };
}
