/**
 * Cloudflare on this machine: the API, the edge, and an account that is set up as after a deploy.
 *
 *   const cf = await startCloudflare({ zone: 'eph.localhost', wireLog });
 *   cf.apiUrl            http://127.0.0.1:<port>/client/v4, the official client's baseURL
 *   cf.edgeUrl           http://127.0.0.1:<edgePort>; which hostname is meant is said by Host
 *   cf.edgeAddressFor(bridgeIp)   what a host's cloudflared gets as EPH_LOCAL_EDGE
 *   cf.apiToken          may do everything a deploy does; cf.runtimeToken tunnels, DNS and routes only
 *   cf.access            the application of all previews, its service token, a person who can log in
 *   cf.cloudflare        the state machine; cf.faults makes its methods fail
 *   cf.outboundHost      host:port that everything a Worker fetches must go to
 *
 * Order: both servers listen (the edge first, since its port is in the addresses that Access signs), then
 * Access is set up as a deploy does it, unless `empty` is set. `close` ends every connection; nothing is kept on
 * disk.
 */
import { randomInt, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { accessNames } from '../../infra/cloudflare/access-names.ts';
import { appliedChanges } from '../../infra/cloudflare/changes.ts';
import { cloudflareClient } from '../../infra/cloudflare/cloudflare-account.ts';
import { ensureAccess } from '../../infra/cloudflare/ensure-access.ts';
import { createOpenApiValidator, type OpenApiDescription } from '../openapi.ts';
import type { WireLog } from '../wire-log.ts';
import { createAccessSessions, type Person } from './access-sessions.ts';
import { createApi } from './api.ts';
import type { Permission } from './api-tokens.ts';
import { type CloudflareMachine, createCloudflare, TEAM_NAME, type ZonePlan } from './cloudflare.ts';
import { createEdge, edgeServerOptions } from './edge.ts';
import type { Faults } from './faults.ts';

export interface StartCloudflareOptions {
  zone: string;
  wireLog: WireLog;
  now?: () => number;
  /** Addresses beside 127.0.0.1, with the same ports: the bridge the hosts are on. */
  alsoListenOn?: readonly string[];
  /** 0, the default: any free port. */
  apiPort?: number;
  edgePort?: number;
  /** The end of previews' names, `-pr.<zone>` by default; the Access application is for `*<suffix>`. */
  previewSuffix?: string;
  /** The mark on this deployment's things, `local` by default. */
  deploymentId?: string;
  /** The account before a first deploy: Zero Trust is switched on, Access has nothing. */
  empty?: boolean;
  /** False if Zero Trust is not switched on either. */
  zeroTrust?: boolean;
  /** The zone's plan; `free` by default. */
  plan?: ZonePlan;
  zoneStatus?: 'active' | 'pending';
  /** People who may log in; the login page suggests the first of them. */
  people?: readonly Person[];
  /** Scripts that exist already, and where a script runs. */
  workers?: { scripts: readonly string[]; url(script: string): string };
}

export interface LocalCloudflare {
  apiUrl: string;
  edgeUrl: string;
  edgePort: number;
  edgeAddressFor(bridgeIp: string): string;
  cloudflare: CloudflareMachine;
  faults: Faults;
  accountId: string;
  zoneId: string;
  apiToken: string;
  runtimeToken: string;
  /** `applicationAud` and `serviceToken` are the present values; they throw before a deploy has made them. */
  access: {
    readonly applicationAud: string;
    readonly serviceToken: { id: string; clientId: string; clientSecret: string };
    teamName: string;
    teamDomain: string;
    /** The address by name; connect to the edge with this Host where the name does not resolve. */
    certsUrl: string;
    issuer: string;
    login: { email: string; code: string };
  };
  outboundHost: string;
  close(): Promise<void>;
}

const deployPermissions: readonly Permission[] = [
  'Workers Scripts Write',
  'Cloudflare Tunnel Write',
  'Access: Apps and Policies Write',
  'Access: Service Tokens Write',
  'Access: Organizations, Identity Providers, and Groups Write',
  'Account Settings Read',
  'Account API Tokens Write',
  'Workers Routes Write',
  'DNS Write',
  'Zone Read',
];
const runtimePermissions: readonly Permission[] = ['Cloudflare Tunnel Write', 'DNS Write', 'Zone Read'];

export async function startCloudflare(options: StartCloudflareOptions): Promise<LocalCloudflare> {
  const { zone, wireLog, now = Date.now } = options;
  const people = options.people ?? [{ email: 'dev@example.com', organizations: [] }];
  const addresses = ['127.0.0.1', ...(options.alsoListenOn ?? [])];
  const deploymentId = options.deploymentId ?? 'local';
  const previewSuffix = options.previewSuffix ?? `-pr.${zone}`;
  const { machine, faults } = createCloudflare({
    zone,
    now,
    newId: randomUUID,
    plan: options.plan ?? 'free',
    zoneStatus: options.zoneStatus ?? 'active',
    zeroTrust: options.zeroTrust ?? true,
  });
  for (const script of options.workers?.scripts ?? []) machine.uploadScript(script);
  const apiToken = machine.issueToken('eph deploy', deployPermissions);
  const runtimeToken = machine.issueToken('eph runtime', runtimePermissions);

  const edgeServers = addresses.map(() => withSockets(createServer(edgeServerOptions)));
  const edgePort = await listenOn(edgeServers, addresses, options.edgePort ?? 0);
  const teamHost = `${TEAM_NAME}.${zone}:${edgePort}`;
  const issuer = `http://${teamHost}`;
  const loginCode = String(randomInt(1_000_000)).padStart(6, '0');
  const edge = createEdge({
    machine,
    sessions: await createAccessSessions({ issuer, now }),
    wireLog,
    now,
    newId: randomUUID,
    teamHost,
    people,
    loginCode,
    ...(options.workers ? { workerUrl: options.workers.url } : {}),
  });
  for (const { server } of edgeServers) edge.attach(server);
  const outbound = withSockets(createServer(edgeServerOptions));
  edge.attachOutbound(outbound.server);
  const outboundPort = await listenOn([outbound], ['127.0.0.1'], 0);

  const api = createApi({ machine, validator: createOpenApiValidator(readDescription()), wireLog, now });
  const apiServers = addresses.map(() => withSockets(createServer(getRequestListener(api.fetch))));
  const apiPort = await listenOn(apiServers, addresses, options.apiPort ?? 0);
  const apiUrl = `http://127.0.0.1:${apiPort}/client/v4`;

  if (!options.empty) {
    let kept: string | undefined;
    await ensureAccess(
      { client: cloudflareClient(apiUrl, apiToken), accountId: machine.accountId, zoneId: machine.zoneId },
      {
        deploymentId,
        previewSuffix,
        dashboardHost: `eph-${deploymentId}.${zone}`,
        allow: people.map((person) => person.email),
        sessionDuration: '8h',
        serviceToken: {
          read: async () => kept,
          write: async (json) => {
            kept = json;
          },
        },
      },
      appliedChanges(),
    );
  }
  return {
    apiUrl,
    edgeUrl: `http://127.0.0.1:${edgePort}`,
    edgePort,
    edgeAddressFor: (bridgeIp) => `http://${bridgeIp}:${edgePort}`,
    cloudflare: machine,
    faults,
    accountId: machine.accountId,
    zoneId: machine.zoneId,
    apiToken,
    runtimeToken,
    access: {
      get applicationAud() {
        return machine.audienceOf(`*${previewSuffix}`);
      },
      get serviceToken() {
        return machine.serviceTokenNamed(accessNames(deploymentId).serviceToken);
      },
      teamName: TEAM_NAME,
      teamDomain: teamHost,
      issuer,
      certsUrl: `${issuer}/cdn-cgi/access/certs`,
      login: { email: people[0]?.email ?? '', code: loginCode },
    },
    outboundHost: `127.0.0.1:${outboundPort}`,
    async close() {
      edge.close();
      await Promise.all([...edgeServers, ...apiServers, outbound].map(closeServer));
    },
  };
}

function readDescription(): OpenApiDescription {
  const file = new URL('../../tests/contracts/cloudflare-openapi.json', import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8')) as OpenApiDescription;
}

interface Listening {
  server: Server;
  sockets: ReadonlySet<Socket>;
}

/** The same port on every address; with port 0 the first address chooses it. */
async function listenOn(
  servers: readonly Listening[],
  addresses: readonly string[],
  port: number,
): Promise<number> {
  let chosen = port;
  for (const [index, { server }] of servers.entries()) {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(chosen, addresses[index], resolve);
    });
    chosen = (server.address() as AddressInfo).port;
  }
  return chosen;
}

function closeServer({ server, sockets }: Listening): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    for (const socket of sockets) socket.destroy();
  });
}

/** Keeps the sockets, because the server no longer closes upgraded ones (WebSockets, connectors). */
function withSockets(server: Server): Listening {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  return { server, sockets };
}
