import { randomUUID } from 'node:crypto';
import { request } from 'node:http';
import { performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { Duplex } from 'node:stream';
import { createAccessCheck } from './cloudflared-access.ts';
import { type ConnectorState, startMetrics } from './cloudflared-metrics.ts';
import { createProxy, type Exchange, type ForwardExchange } from './cloudflared-proxy.ts';
import {
  CONNECTION_WINDOW,
  CONNECTOR_HEADER,
  type ConnectorHello,
  keepAlive,
  PROTOCOL,
  type PushedConfiguration,
  REGISTER_PATH,
  readRequest,
  replyHeaders,
  SESSION_MEMORY_MB,
  STREAM_WINDOW,
  TOKEN_HEADER,
} from './tunnel-wire.ts';

const CONNECTIONS = 4;
const MAX_BACKOFF_S = 64;

export interface ConnectorOptions {
  edge: URL;
  token: string;
  tunnelId: string;
  metrics: string | undefined;
  gracePeriodMs: number;
  /** How often the first registration is tried again. */
  retries: number;
  log: (level: 'INF' | 'ERR', message: string) => void;
}

/** Resolves when the first connection is up; rejects if that is impossible. A signal ends the process. */
export async function runConnector(options: ConnectorOptions): Promise<void> {
  const { edge, token, log } = options;
  const hello: ConnectorHello = { clientId: randomUUID() };
  const state: ConnectorState = {
    connectorId: hello.clientId,
    connections: 0,
    configVersion: 0,
    totalRequests: 0,
    concurrentRequests: 0,
    requestErrors: 0,
    responsesByCode: new Map(),
  };
  log('INF', `Starting tunnel tunnelID=${options.tunnelId}`);
  log('INF', `Generated Connector ID: ${hello.clientId}`);
  await startMetrics(state, options.metrics);

  const serve = createServing(state, edge, log);
  const sessions = new Set<ServerHttp2Session>();
  const shutdown = stopOnSignal(sessions, options.gracePeriodMs, log);

  /** Keeps one connection until the process stops; calls `started` at each registration. */
  const keep = async (index: number, retries: number, started: () => void): Promise<void> => {
    let triesLeft = retries;
    let failures = 0;
    while (!shutdown.isUnderWay()) {
      try {
        const { session, gone, id, location } = await connect(edge, token, hello, serve);
        log('INF', `Registered tunnel connection connIndex=${index} connection=${id} location=${location}`);
        failures = 0;
        triesLeft = Number.POSITIVE_INFINITY;
        sessions.add(session);
        started();
        await gone;
        sessions.delete(session);
        if (!shutdown.isUnderWay()) log('ERR', `Lost connection with the edge connIndex=${index}`);
      } catch (error) {
        if (shutdown.isUnderWay()) return;
        const reason = error instanceof Error ? error.message : String(error);
        log('ERR', `Register tunnel error from server side error="${reason}" connIndex=${index}`);
        if (triesLeft <= 0) throw new Error(`Tunnel server stopped: ${reason}`);
        triesLeft -= 1;
        failures += 1;
      }
      if (shutdown.isUnderWay()) return;
      const upTo = Math.min(2 ** (failures + 1), MAX_BACKOFF_S);
      log('INF', `Retrying connection in up to ${upTo}s connIndex=${index}`);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * upTo * 1_000));
    }
  };

  await new Promise<void>((resolve, reject) => keep(0, options.retries, resolve).catch(reject));
  for (let index = 1; index < CONNECTIONS; index++) {
    void keep(index, Number.POSITIVE_INFINITY, () => undefined);
  }
}

/** The work of a connection from its registration to its end, when the promise resolves. */
function createServing(state: ConnectorState, edge: URL, log: ConnectorOptions['log']): Serve {
  let configuration: PushedConfiguration | undefined;
  const forward = createProxy({
    configuration: () => configuration,
    checkAccess: createAccessCheck(edge),
    log,
  });
  const adopt = (pushed: PushedConfiguration): void => {
    if (pushed.version <= state.configVersion) return;
    configuration = pushed;
    state.configVersion = pushed.version;
    log('INF', `Updated to new configuration version=${pushed.version}`);
  };

  return (session) => {
    state.connections += 1;
    keepAlive(session);
    session.on('stream', (stream, headers) => {
      // Without a listener, an error of one stream would end the process.
      stream.on('error', () => stream.destroy());
      const asked = readRequest(headers);
      if (asked.kind === 'configuration') {
        receiveConfiguration(stream, adopt).catch(() => stream.destroy());
      } else forwardCounted(state, forward, { ...asked, stream });
    });
    session.on('error', () => session.destroy());
    return new Promise((resolve) => {
      session.on('close', () => {
        state.connections -= 1;
        resolve();
      });
    });
  };
}

function stopOnSignal(
  sessions: ReadonlySet<ServerHttp2Session>,
  gracePeriodMs: number,
  log: ConnectorOptions['log'],
) {
  let isUnderWay = false;
  const stop = (signal: string): void => {
    if (isUnderWay) process.exit(0);
    isUnderWay = true;
    log('INF', `Initiating graceful shutdown due to signal ${signal}`);
    for (const session of sessions) session.close();
    setTimeout(() => process.exit(0), gracePeriodMs);
    setInterval(() => {
      if (sessions.size === 0) process.exit(0);
    }, 20);
  };
  process.on('SIGTERM', () => stop('terminated'));
  process.on('SIGINT', () => stop('interrupt'));
  return { isUnderWay: () => isUnderWay };
}

type Serve = (session: ServerHttp2Session) => Promise<void>;

interface Connection {
  session: ServerHttp2Session;
  gone: Promise<void>;
  id: string;
  location: string;
}

function connect(edge: URL, token: string, hello: ConnectorHello, serve: Serve): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const outgoing = request({
      host: edge.hostname,
      port: edge.port,
      path: REGISTER_PATH,
      headers: {
        Connection: 'Upgrade',
        Upgrade: PROTOCOL,
        [TOKEN_HEADER]: token,
        [CONNECTOR_HEADER]: JSON.stringify(hello),
      },
    });
    outgoing.on('upgrade', (reply, socket, early) => {
      if (early.length > 0) socket.unshift(early);
      const session = handshake(socket);
      // This must run now: the first stream may be in `early`, and a stream without a listener never ends.
      const gone = serve(session);
      resolve({
        session,
        gone,
        id: String(reply.headers['x-eph-connection']),
        location: String(reply.headers['x-eph-location']),
      });
    });
    outgoing.on('response', async (reply) => {
      let text = '';
      for await (const chunk of reply.setEncoding('utf8')) text += chunk;
      reject(new Error(text));
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}

function handshake(socket: Duplex): ServerHttp2Session {
  const session = performServerHandshake(socket, {
    maxSessionMemory: SESSION_MEMORY_MB,
    settings: { initialWindowSize: STREAM_WINDOW },
  });
  session.setLocalWindowSize(CONNECTION_WINDOW);
  return session;
}

function forwardCounted(state: ConnectorState, forward: ForwardExchange, exchange: Exchange): void {
  state.totalRequests += 1;
  state.concurrentRequests += 1;
  exchange.stream.on('close', () => {
    state.concurrentRequests -= 1;
  });
  forward(exchange).then(
    (status) => {
      state.responsesByCode.set(status, (state.responsesByCode.get(status) ?? 0) + 1);
      if (status === 502) state.requestErrors += 1;
    },
    () => exchange.stream.destroy(),
  );
}

async function receiveConfiguration(
  stream: ServerHttp2Stream,
  adopt: (pushed: PushedConfiguration) => void,
): Promise<void> {
  let text = '';
  for await (const chunk of stream.setEncoding('utf8')) text += chunk;
  adopt(JSON.parse(text) as PushedConfiguration);
  stream.respond(replyHeaders({ status: 200, headers: [], source: 'cloudflared' }));
  stream.end();
}
