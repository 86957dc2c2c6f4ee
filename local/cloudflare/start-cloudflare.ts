/**
 * Cloudflare on this machine: the API, the edge, and an account that has been set up as a deploy leaves it.
 *
 *   const cf = await startCloudflare({ zone: 'eph.localhost', wireLog });
 *   cf.apiUrl            http://127.0.0.1:<port>/client/v4, the official client's baseURL
 *   cf.edgeUrl           http://127.0.0.1:<edgePort>; which hostname is meant is said by Host
 *   cf.edgeAddressFor(bridgeIp)   what a host's cloudflared gets as EPH_LOCAL_EDGE
 *   cf.apiToken          may do everything a deploy does; cf.runtimeToken tunnels, DNS and routes only
 *   cf.access            the application of all previews, its service token, a person who can log in
 *   cf.cloudflare        the state machine; cf.faults makes its methods fail
 *   cf.fetchOrigin       what a Worker's own fetch() must be wired to
 *
 * Order: both servers listen (the edge first, since its port is in the addresses that Access signs), then
 * Access is set up through the API. `close` ends every connection; nothing is kept on disk.
 */
import { randomInt, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { createOpenApiValidator, type OpenApiDescription } from '../openapi.ts';
import type { WireLog } from '../wire-log.ts';
import { createAccessSessions, type Person } from './access-sessions.ts';
import { type AccessSetup, accessSetup } from './access-setup.ts';
import { createApi } from './api.ts';
import type { Permission } from './api-tokens.ts';
import { type CloudflareMachine, createCloudflare, TEAM_NAME } from './cloudflare.ts';
import { createEdge, type Edge, edgeServerOptions, type WorkerFetch } from './edge.ts';
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
  /** What previews end in, `-pr.<zone>` by default; the Access application is for `*<suffix>`. */
  previewSuffix?: string;
  /** Who may log in, the first of them suggested by the login page. */
  people?: readonly Person[];
  /** Scripts that routes may name, and how to call them. */
  workers?: { scripts: readonly string[]; fetch: WorkerFetch };
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
  access: AccessSetup & {
    teamName: string;
    teamDomain: string;
    /** By name; connect to the edge with this Host where the name does not resolve. */
    certsUrl: string;
    issuer: string;
    login: { email: string; code: string };
  };
  fetchOrigin: Edge['fetchOrigin'];
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
const runtimePermissions: readonly Permission[] = [
  'Cloudflare Tunnel Write',
  'DNS Write',
  'Workers Routes Write',
  'Zone Read',
];

export async function startCloudflare(options: StartCloudflareOptions): Promise<LocalCloudflare> {
  const { zone, wireLog, now = Date.now } = options;
  const people = options.people ?? [{ email: 'dev@example.com', organizations: [] }];
  const addresses = ['127.0.0.1', ...(options.alsoListenOn ?? [])];
  const { machine, faults } = createCloudflare({ zone, now, newId: randomUUID });
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
    ...(options.workers ? { workerFetch: options.workers.fetch } : {}),
  });
  for (const { server } of edgeServers) edge.attach(server);

  const api = createApi({ machine, validator: createOpenApiValidator(readDescription()), wireLog, now });
  const apiServers = addresses.map(() => withSockets(createServer(getRequestListener(api.fetch))));
  const apiPort = await listenOn(apiServers, addresses, options.apiPort ?? 0);
  const apiUrl = `http://127.0.0.1:${apiPort}/client/v4`;

  const setup = await accessSetup({
    apiUrl,
    apiToken,
    accountId: machine.accountId,
    domain: `*${options.previewSuffix ?? `-pr.${zone}`}`,
    emails: people.map((person) => person.email),
  });
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
      ...setup,
      teamName: TEAM_NAME,
      teamDomain: teamHost,
      issuer,
      certsUrl: `${issuer}/cdn-cgi/access/certs`,
      login: { email: people[0]?.email ?? '', code: loginCode },
    },
    fetchOrigin: edge.fetchOrigin,
    async close() {
      edge.close();
      await Promise.all([...edgeServers, ...apiServers].map(closeServer));
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

/** With its sockets, because upgraded ones (WebSockets, connectors) are no longer the server's to close. */
function withSockets(server: Server): Listening {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  return { server, sockets };
}
