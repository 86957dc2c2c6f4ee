/**
 * The edge's end of the tunnels: connectors register here, visitors' requests leave here.
 *
 * Lifecycle of a connection: upgrade request with a token -> the state machine accepts it or gives a reason (401) ->
 * 101, then the edge is the HTTP/2 client on the socket -> configuration pushed, again at each change -> requests ->
 * end: closed by either side, by GOAWAY (graceful stop), by DELETE .../connections, or because it did not answer a
 * ping (a machine that lost its power sends no FIN).
 */
import { randomInt } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import type { Duplex } from 'node:stream';
import type { CloudflareMachine } from './cloudflare.ts';
import { CloudflareError } from './cloudflare-error.ts';
import {
  CONNECTION_WINDOW,
  CONNECTOR_HEADER,
  type ConnectorHello,
  keepAlive,
  PROTOCOL,
  type PushedConfiguration,
  type ReplyHead,
  type RequestHead,
  readReply,
  requestHeaders,
  SESSION_MEMORY_MB,
  STREAM_WINDOW,
  TOKEN_HEADER,
} from './tunnel-wire.ts';
import type { TunnelConnection, TunnelToken } from './tunnels.ts';

export interface EdgeTunnels {
  /** A connector's upgrade request. */
  register(request: IncomingMessage, socket: Duplex): void;
  /**
   * Opens a stream for a request. The caller writes the request's body into `stream`; `reply` resolves with
   * the head and rejects if the connection ends first. Undefined if there is no living connector (Cloudflare's 1033).
   */
  open(
    tunnelId: string,
    kind: 'request' | 'websocket',
    head: RequestHead,
  ): { stream: ClientHttp2Stream; reply: Promise<ReplyHead> } | undefined;
  close(): void;
}

interface EdgeTunnelsOptions {
  machine: CloudflareMachine;
  /** Issuer and keys of the account's team, for the connectors' own check. */
  teams: PushedConfiguration['teams'];
}

interface Live {
  connection: TunnelConnection;
  session: ClientHttp2Session;
}

export function createEdgeTunnels({ machine, teams }: EdgeTunnelsOptions): EdgeTunnels {
  const live = new Map<string, Live>();

  const unsubscribe = machine.onTunnelEvent((event) => {
    if (event.kind === 'disconnect') {
      live.get(event.connectionId)?.session.destroy();
      return;
    }
    for (const entry of live.values()) if (entry.connection.tunnelId === event.tunnelId) push(entry);
  });

  const push = ({ connection, session }: Live): void => {
    const { version, config } = machine.getConfiguration(connection.tunnelId);
    if (version === 0) return;
    const pushed: PushedConfiguration = { version, ingress: config?.ingress ?? [], teams };
    const stream = session.request(requestHeaders('configuration', undefined));
    stream.on('response', () =>
      machine.acknowledgeConfiguration(connection.tunnelId, connection.id, version),
    );
    stream.on('error', ignore);
    stream.resume();
    stream.end(JSON.stringify(pushed));
  };

  const adopt = (connection: TunnelConnection, socket: Duplex): void => {
    const session = connect('http://connector', {
      createConnection: () => socket,
      maxSessionMemory: SESSION_MEMORY_MB,
      settings: { initialWindowSize: STREAM_WINDOW },
    });
    const entry: Live = { connection, session };
    live.set(connection.id, entry);
    const forget = (): void => {
      live.delete(connection.id);
      machine.unregisterConnection(connection.tunnelId, connection.id);
    };
    session.on('connect', () => session.setLocalWindowSize(CONNECTION_WINDOW));
    session.on('goaway', forget);
    session.on('close', forget);
    session.on('error', ignore);
    keepAlive(session);
    push(entry);
  };

  return {
    register(request, socket) {
      socket.on('error', ignore);
      // Node's HTTP server leaves a socket half open when the other side ends; the session would never close.
      socket.on('end', () => socket.destroy());
      try {
        const hello = readHello(request);
        const connection = machine.registerConnection(readToken(request), hello);
        socket.write(
          `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${PROTOCOL}\r\n` +
            `x-eph-connection: ${connection.id}\r\nx-eph-location: ${connection.colo}\r\n\r\n`,
        );
        adopt(connection, socket);
      } catch (error) {
        const message = error instanceof CloudflareError ? error.message : 'Bad registration';
        socket.end(
          `HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: ${message.length}\r\n\r\n${message}`,
        );
      }
    },

    open(tunnelId, kind, head) {
      const sessions = machine
        .liveConnections(tunnelId)
        .flatMap((id) => live.get(id)?.session ?? [])
        .filter((session) => !session.closed && !session.destroyed);
      const session = sessions[randomInt(Math.max(sessions.length, 1))];
      if (!session) return undefined;
      const stream = session.request(requestHeaders(kind, head));
      return { stream, reply: replyOf(stream) };
    },

    close() {
      unsubscribe();
      for (const { session } of live.values()) session.destroy();
    },
  };
}

function replyOf(stream: ClientHttp2Stream): Promise<ReplyHead> {
  return new Promise((resolve, reject) => {
    stream.on('response', (headers) => resolve(readReply(headers)));
    stream.on('error', reject);
    stream.on('close', () => reject(new Error('the connector closed the stream without a reply')));
  });
}

function readToken(request: IncomingMessage): TunnelToken {
  const text = Buffer.from(String(request.headers[TOKEN_HEADER]), 'base64').toString();
  return JSON.parse(text) as TunnelToken;
}

function readHello(request: IncomingMessage): ConnectorHello {
  const hello = JSON.parse(String(request.headers[CONNECTOR_HEADER])) as ConnectorHello;
  return { clientId: hello.clientId };
}

/** An error of a connection ends it; its `close` event is handled. */
function ignore(): void {}
