/**
 * Remotely managed tunnels: the data of the API, and the edge's view of their connectors.
 *
 * Lifecycle: `inactive` (never connected) -> `degraded` (some of the connector's four connections) ->
 * `healthy` -> `down` (had connections, has none) -> deleted (kept, with `deleted_at`).
 *
 * Gotchas
 * - A tunnel with connections cannot be deleted, and a disconnected connector reconnects at once. So a new secret
 *   comes first, then the connections are deleted, then the tunnel.
 * - With a new secret, the old tokens are refused at their next registration; open connections stay.
 * - Deleted tunnels are listed unless `is_deleted=false`; only living ones block their name.
 * - The token is base64 of JSON {a: account, t: tunnel, s: secret}; the secret itself is base64.
 */
import { createHash } from 'node:crypto';
import { CloudflareError } from './cloudflare-error.ts';
import { createCollection, type PageQuery, pageOf, type ResultPage } from './collection.ts';
import { ingressProblem, type TunnelConfig } from './ingress.ts';

/** cloudflared's `--ha-connections`: a tunnel with fewer is degraded. */
const CONNECTIONS_PER_CONNECTOR = 4;
/** developers.cloudflare.com/cloudflare-one/account-limits */
const MAX_TUNNELS = 1_000;

export interface TunnelToken {
  a: string;
  t: string;
  s: string;
}

export interface ConnectorInfo {
  clientId: string;
}

export interface TunnelConnection extends ConnectorInfo {
  id: string;
  tunnelId: string;
  colo: string;
  configVersion: number;
}

export type TunnelEvent =
  | { kind: 'configuration'; tunnelId: string; version: number; config: TunnelConfig }
  | { kind: 'disconnect'; connectionId: string };

export interface TunnelQuery extends PageQuery {
  name?: string;
  uuid?: string;
  include_prefix?: string;
  exclude_prefix?: string;
  is_deleted?: string;
  status?: string;
}

interface Tunnel {
  id: string;
  name: string;
  secret: string;
  source: 'local' | 'cloudflare';
  createdAt: number;
  deletedAt?: number;
  config?: TunnelConfig;
  configuredAt?: number;
  version: number;
  connections: Map<string, TunnelConnection>;
  activeAt?: number;
  inactiveAt?: number;
}

interface TunnelOptions {
  accountId: string;
  now: () => number;
  newId: () => string;
}

export type Tunnels = ReturnType<typeof createTunnels>;

export function createTunnels({ accountId, now, newId }: TunnelOptions) {
  const tunnels = createCollection<Tunnel>(() => new CloudflareError(404, 1003, 'Tunnel not found'));
  const listeners = new Set<(event: TunnelEvent) => void>();
  const emit = (event: TunnelEvent): void => {
    for (const listener of listeners) listener(event);
  };

  const living = (id: string): Tunnel => {
    const tunnel = tunnels.get(id);
    if (tunnel.deletedAt !== undefined) throw new CloudflareError(404, 1003, 'Tunnel not found');
    return tunnel;
  };
  const requireName = (name: string): void => {
    if (name.trim() === '') throw new CloudflareError(400, 1018, 'The tunnel name must not be empty');
    if (isUuid(name)) throw new CloudflareError(400, 1018, 'The tunnel name must not be a UUID');
    if (tunnels.all().some((tunnel) => tunnel.name === name && tunnel.deletedAt === undefined)) {
      throw new CloudflareError(409, 1013, 'You already have a tunnel with this name');
    }
  };
  const drop = (tunnel: Tunnel, connection: TunnelConnection): void => {
    tunnel.connections.delete(connection.id);
    if (tunnel.connections.size === 0) tunnel.inactiveAt = now();
  };
  const disconnect = (tunnel: Tunnel, clientId?: string): void => {
    for (const connection of [...tunnel.connections.values()]) {
      if (clientId !== undefined && connection.clientId !== clientId) continue;
      drop(tunnel, connection);
      emit({ kind: 'disconnect', connectionId: connection.id });
    }
  };
  const toToken = (tunnel: Tunnel): string => {
    const token: TunnelToken = { a: accountId, t: tunnel.id, s: tunnel.secret };
    return Buffer.from(JSON.stringify(token)).toString('base64');
  };
  const toConfiguration = (tunnel: Tunnel) => ({
    tunnel_id: tunnel.id,
    account_id: accountId,
    version: tunnel.version,
    source: tunnel.source,
    ...(tunnel.config ? { config: tunnel.config } : {}),
    ...(tunnel.configuredAt === undefined ? {} : { created_at: iso(tunnel.configuredAt) }),
  });

  return {
    createTunnel(body: { name: string; config_src?: 'local' | 'cloudflare'; tunnel_secret?: string }) {
      requireName(body.name);
      if (tunnels.all().filter((tunnel) => tunnel.deletedAt === undefined).length >= MAX_TUNNELS) {
        throw new CloudflareError(400, 1014, `The account has reached its limit of ${MAX_TUNNELS} tunnels`);
      }
      const tunnel = tunnels.add({
        id: newId(),
        name: body.name,
        secret: body.tunnel_secret ? requireSecret(body.tunnel_secret) : secretFrom(newId()),
        source: body.config_src ?? 'local',
        createdAt: now(),
        version: 0,
        connections: new Map(),
      });
      return {
        ...describeTunnel(tunnel, accountId),
        token: toToken(tunnel),
        credentials_file: {
          AccountTag: accountId,
          TunnelID: tunnel.id,
          TunnelName: tunnel.name,
          TunnelSecret: tunnel.secret,
        },
      };
    },

    listTunnels(query: TunnelQuery): ResultPage<ReturnType<typeof describeTunnel>> {
      const found = tunnels.all().filter((tunnel) => fits(tunnel, query));
      return pageOf(
        found.map((tunnel) => describeTunnel(tunnel, accountId)),
        query,
        20,
        1_000,
      );
    },

    getTunnel: (id: string) => describeTunnel(tunnels.get(id), accountId),

    editTunnel(id: string, body: { name?: string; tunnel_secret?: string }) {
      const tunnel = living(id);
      if (body.name !== undefined && body.name !== tunnel.name) {
        requireName(body.name);
        tunnel.name = body.name;
      }
      if (body.tunnel_secret !== undefined) tunnel.secret = requireSecret(body.tunnel_secret);
      return describeTunnel(tunnel, accountId);
    },

    deleteTunnel(id: string, options: { cascade?: boolean } = {}) {
      const tunnel = living(id);
      if (options.cascade) disconnect(tunnel);
      if (tunnel.connections.size > 0) {
        throw new CloudflareError(400, 1022, 'Cannot delete tunnel because it has active connections');
      }
      tunnel.deletedAt = now();
      return describeTunnel(tunnel, accountId);
    },

    tunnelToken: (id: string) => toToken(living(id)),

    getConfiguration: (id: string) => toConfiguration(living(id)),

    putConfiguration(id: string, body: { config?: TunnelConfig }) {
      const tunnel = living(id);
      const config = body.config ?? {};
      const problem = ingressProblem(config.ingress ?? []);
      if (problem) throw new CloudflareError(400, 1056, `Bad Configuration: ${problem}`);
      tunnel.config = structuredClone(config);
      tunnel.source = 'cloudflare';
      tunnel.configuredAt = now();
      tunnel.version += 1;
      emit({ kind: 'configuration', tunnelId: id, version: tunnel.version, config: tunnel.config });
      return toConfiguration(tunnel);
    },

    /** Its connectors, and which version of the configuration each runs. */
    connectorsOf(id: string) {
      const byClient = Map.groupBy(living(id).connections.values(), ({ clientId }) => clientId);
      return [...byClient].map(([clientId, connections]) => ({
        clientId,
        configVersion: Math.min(...connections.map(({ configVersion }) => configVersion)),
      }));
    },

    deleteConnections(id: string, clientId?: string) {
      disconnect(living(id), clientId);
      return null;
    },

    /** Called by the edge when a connector registers. Throws the text that cloudflared prints after "Unauthorized". */
    registerConnection(token: TunnelToken, connector: ConnectorInfo): TunnelConnection {
      const tunnel = token.a === accountId ? tunnels.find(token.t) : undefined;
      if (!tunnel || tunnel.deletedAt !== undefined) {
        throw new CloudflareError(401, 1003, 'Unauthorized: Tunnel not found');
      }
      if (token.s !== tunnel.secret)
        throw new CloudflareError(401, 1001, 'Unauthorized: Invalid tunnel secret');
      const connection: TunnelConnection = {
        ...connector,
        id: newId(),
        tunnelId: tunnel.id,
        colo: `lcl0${(tunnel.connections.size % 2) + 1}`,
        configVersion: 0,
      };
      if (tunnel.connections.size === 0) tunnel.activeAt = now();
      tunnel.connections.set(connection.id, connection);
      return connection;
    },

    /** The connection has ended, whoever ended it. Unknown ones are ignored, because both sides may report it. */
    unregisterConnection(tunnelId: string, connectionId: string): void {
      const tunnel = tunnels.find(tunnelId);
      const connection = tunnel?.connections.get(connectionId);
      if (tunnel && connection) drop(tunnel, connection);
    },

    /** The connector runs this version of the configuration now. */
    acknowledgeConfiguration(tunnelId: string, connectionId: string, version: number): void {
      const connection = tunnels.find(tunnelId)?.connections.get(connectionId);
      if (connection) connection.configVersion = version;
    },

    /** Ids of the connections that can take a request; empty for a foreign or deleted tunnel. */
    liveConnections(tunnelId: string): string[] {
      const tunnel = tunnels.find(tunnelId);
      return tunnel && tunnel.deletedAt === undefined ? [...tunnel.connections.keys()] : [];
    },

    /** Calls the listener for events that a connector must know of. Returns the unsubscriber. */
    onTunnelEvent(listener: (event: TunnelEvent) => void): () => void {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

function describeTunnel(tunnel: Tunnel, accountId: string) {
  return {
    id: tunnel.id,
    account_tag: accountId,
    name: tunnel.name,
    created_at: iso(tunnel.createdAt),
    ...(tunnel.deletedAt === undefined ? {} : { deleted_at: iso(tunnel.deletedAt) }),
    ...(tunnel.activeAt === undefined ? {} : { conns_active_at: iso(tunnel.activeAt) }),
    ...(tunnel.inactiveAt === undefined || tunnel.connections.size > 0
      ? {}
      : { conns_inactive_at: iso(tunnel.inactiveAt) }),
    status: statusOf(tunnel),
    config_src: tunnel.source,
    remote_config: tunnel.source === 'cloudflare',
    tun_type: 'cfd_tunnel',
    // Cloudflare has deprecated this, and it will always be empty: GET .../connections replaces it.
    connections: [],
    metadata: {},
  };
}

function statusOf(tunnel: Tunnel): 'inactive' | 'healthy' | 'degraded' | 'down' {
  if (tunnel.activeAt === undefined) return 'inactive';
  if (tunnel.connections.size === 0) return 'down';
  return tunnel.connections.size >= CONNECTIONS_PER_CONNECTOR ? 'healthy' : 'degraded';
}

function fits(tunnel: Tunnel, query: TunnelQuery): boolean {
  if (query.name !== undefined && tunnel.name !== query.name) return false;
  if (query.uuid !== undefined && tunnel.id !== query.uuid) return false;
  if (query.include_prefix !== undefined && !tunnel.name.startsWith(query.include_prefix)) return false;
  if (query.exclude_prefix !== undefined && tunnel.name.startsWith(query.exclude_prefix)) return false;
  if (query.status !== undefined && statusOf(tunnel) !== query.status) return false;
  return query.is_deleted === undefined || (query.is_deleted === 'true') === (tunnel.deletedAt !== undefined);
}

/** cloudflared: a tunnel secret is base64 of at least 32 bytes. */
function requireSecret(secret: string): string {
  const bytes = Buffer.from(secret, 'base64');
  if (bytes.length >= 32 && bytes.toString('base64') === secret) return secret;
  throw new CloudflareError(400, 1018, 'tunnel_secret must be at least 32 bytes, encoded as base64');
}

function secretFrom(seed: string): string {
  return createHash('sha256').update(seed).digest('base64');
}

function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text);
}

function iso(t: number): string {
  return new Date(t).toISOString();
}
