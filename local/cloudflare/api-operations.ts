import type { ApplicationBody } from './access-applications.ts';
import type { IdentityProvider } from './access-organization.ts';
import type { PolicyBody } from './access-policies.ts';
import type { Permission, PermissionArea, TokenBody } from './api-tokens.ts';
import type { CloudflareMachine } from './cloudflare.ts';
import type { ResultPage } from './collection.ts';
import type { DnsRecordBody } from './dns-records.ts';
import type { TunnelConfig } from './ingress.ts';

/** One call after the wire server has read and checked it. Path parameters are `''` where a template has none. */
export interface ApiCall {
  account: string;
  zone: string;
  /** The last parameter of the path: tunnel, record, route, application, ... */
  id: string;
  query: Record<string, string>;
  body: unknown;
  /** The caller's API token. */
  token: string;
}

export interface ApiOperation {
  method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** The path in Cloudflare's description, with `{id}` for the parameter after account and zone. */
  path: string;
  /** One of these is enough; if the list is empty, any valid token may call. */
  permissions: Permission[];
  run(machine: CloudflareMachine, call: ApiCall): unknown;
}

const read = (...areas: PermissionArea[]): Permission[] => areas.map((area): Permission => `${area} Read`);
const write = (...areas: PermissionArea[]): Permission[] => areas.map((area): Permission => `${area} Write`);
/** Cloudflare's reference names the newer, narrower groups beside the old ones. */
const tunnels = ['Cloudflare Tunnel', 'Cloudflare One Connector: cloudflared'] as const;
const apps = ['Access: Apps and Policies', 'Access: Apps'] as const;
const policies = ['Access: Apps and Policies', 'Access: Policies'] as const;
const tunnel = '/accounts/{account}/cfd_tunnel';
const record = '/zones/{zone}/dns_records';
const route = '/zones/{zone}/workers/routes';
const scripts = '/accounts/{account}/workers/scripts';
const workerHosts = '/accounts/{account}/workers/domains';
const access = '/accounts/{account}/access';
const idps = 'Access: Organizations, Identity Providers, and Groups';

/**
 * The calls that the stand-in answers: those that deploy Eph, run it, and look for what it left behind. Any other
 * call gets 404 "no route", as Cloudflare answers an unknown address.
 */
export const cloudflareOperations: readonly ApiOperation[] = [
  op('get', tunnel, read(...tunnels), (m, c) => m.listTunnels(c.query)),
  op('post', tunnel, write(...tunnels), (m, c) => m.createTunnel(c.body as TunnelBody)),
  op('patch', `${tunnel}/{id}`, write(...tunnels), (m, c) => m.editTunnel(c.id, c.body as TunnelBody)),
  op('delete', `${tunnel}/{id}`, write(...tunnels), (m, c) =>
    m.deleteTunnel(c.id, { cascade: c.query['cascade'] === 'true' }),
  ),
  op('get', `${tunnel}/{id}/token`, read(...tunnels), (m, c) => m.tunnelToken(c.id)),
  op('get', `${tunnel}/{id}/configurations`, read(...tunnels), (m, c) => m.getConfiguration(c.id)),
  op('put', `${tunnel}/{id}/configurations`, write(...tunnels), (m, c) =>
    m.putConfiguration(c.id, c.body as { config?: TunnelConfig }),
  ),
  op('delete', `${tunnel}/{id}/connections`, write(...tunnels), (m, c) =>
    m.deleteConnections(c.id, c.query['client_id']),
  ),

  op('get', record, read('DNS'), (m, c) => m.listRecords(c.query)),
  op('post', record, write('DNS'), (m, c) => m.createRecord(c.body as DnsRecordBody)),
  op('put', `${record}/{id}`, write('DNS'), (m, c) => m.updateRecord(c.id, c.body as DnsRecordBody)),
  op('delete', `${record}/{id}`, write('DNS'), (m, c) => m.deleteRecord(c.id)),

  op('get', route, read('Workers Routes'), (m) => m.listRoutes()),
  op('post', route, write('Workers Routes'), (m, c) => m.createRoute(c.body as RouteBody)),
  op('delete', `${route}/{id}`, write('Workers Routes'), (m, c) => m.deleteRoute(c.id)),

  op('get', scripts, read('Workers Scripts'), (m) => m.listScripts()),
  op('delete', `${scripts}/{id}`, write('Workers Scripts'), (m, c) =>
    m.deleteScript(c.id, { force: c.query['force'] === 'true' }),
  ),
  op('get', '/accounts/{account}/workers/subdomain', read('Workers Scripts'), (m) => m.getAccountSubdomain()),
  op('get', workerHosts, read('Workers Scripts'), (m, c) => m.listWorkerHosts(c.query)),
  op('put', workerHosts, write('Workers Scripts'), (m, c) =>
    m.putWorkerHost(c.body as { hostname: string; service: string }),
  ),
  op('delete', `${workerHosts}/{id}`, write('Workers Scripts'), (m, c) => m.deleteWorkerHost(c.id)),

  op('get', `${access}/apps`, read(...apps), (m, c) => m.listApplications(c.query)),
  op('post', `${access}/apps`, write(...apps), (m, c) => m.createApplication(c.body as ApplicationBody)),
  op('put', `${access}/apps/{id}`, write(...apps), (m, c) =>
    m.updateApplication(c.id, c.body as ApplicationBody),
  ),
  op('delete', `${access}/apps/{id}`, write(...apps), (m, c) => m.deleteApplication(c.id)),
  op('get', `${access}/policies`, read(...policies), (m, c) => m.listPolicies(c.query)),
  op('post', `${access}/policies`, write(...policies), (m, c) => m.createPolicy(c.body as PolicyBody)),
  op('put', `${access}/policies/{id}`, write(...policies), (m, c) =>
    m.updatePolicy(c.id, c.body as PolicyBody),
  ),
  op('delete', `${access}/policies/{id}`, write(...policies), (m, c) => m.deletePolicy(c.id)),

  op('get', `${access}/service_tokens`, read('Access: Service Tokens'), (m, c) =>
    m.listServiceTokens(c.query),
  ),
  op('post', `${access}/service_tokens`, write('Access: Service Tokens'), (m, c) =>
    m.createServiceToken(c.body as { name: string; duration?: string }),
  ),
  op('delete', `${access}/service_tokens/{id}`, write('Access: Service Tokens'), (m, c) =>
    m.deleteServiceToken(c.id),
  ),
  op('post', `${access}/service_tokens/{id}/rotate`, write('Access: Service Tokens'), (m, c) =>
    m.rotateServiceToken(c.id),
  ),

  op('get', `${access}/identity_providers`, read(idps), (m, c) => m.listIdentityProviders(c.query)),
  op('post', `${access}/identity_providers`, write(idps), (m, c) =>
    m.createIdentityProvider(c.body as IdpBody),
  ),
  op('get', `${access}/organizations`, read(idps), (m) => m.getOrganization()),

  op('get', '/user/tokens/verify', [], (m, c) => m.verifyToken('user', c.token)),
  op('get', '/accounts/{account}/tokens/verify', [], (m, c) => m.verifyToken('account', c.token)),
  op('get', '/user/tokens/permission_groups', read('API Tokens'), (m, c) =>
    m.listPermissionGroups('user', c.query),
  ),
  op('get', '/user/tokens', read('API Tokens'), (m, c) => m.listTokens('user', c.query)),
  op('post', '/user/tokens', write('API Tokens'), (m, c) =>
    m.createToken('user', c.body as TokenBody, c.token),
  ),
  op('delete', '/user/tokens/{id}', write('API Tokens'), (m, c) => m.deleteToken('user', c.id)),
  op('get', '/accounts/{account}/tokens/permission_groups', read('Account API Tokens'), (m, c) =>
    m.listPermissionGroups('account', c.query),
  ),
  op('get', '/accounts/{account}/tokens', read('Account API Tokens'), (m, c) =>
    m.listTokens('account', c.query),
  ),
  op('post', '/accounts/{account}/tokens', write('Account API Tokens'), (m, c) =>
    m.createToken('account', c.body as TokenBody, c.token),
  ),
  op('delete', '/accounts/{account}/tokens/{id}', write('Account API Tokens'), (m, c) =>
    m.deleteToken('account', c.id),
  ),

  op('get', '/zones', read('Zone'), (m, c) => m.listZones(c.query)),
  op('get', '/zones/{zone}', read('Zone'), (m, c) => m.getZone(c.zone)),
];

interface TunnelBody {
  name: string;
  config_src?: 'local' | 'cloudflare';
  tunnel_secret?: string;
}
interface RouteBody {
  pattern: string;
  script?: string;
}
type IdpBody = Omit<IdentityProvider, 'id'>;

function op(
  method: ApiOperation['method'],
  path: string,
  permissions: Permission[],
  run: ApiOperation['run'],
): ApiOperation {
  return { method, path, permissions, run };
}

export function isPage(result: unknown): result is ResultPage<unknown> {
  return typeof result === 'object' && result !== null && 'items' in result && 'info' in result;
}
