/**
 * The protocol between the edge and the connector (cloudflared).
 *
 * The connector opens a TCP connection to the edge and asks for an upgrade to PROTOCOL, with its token. From
 * the 101 on, the roles are reversed: the edge is the HTTP/2 client on that socket, the connector the server,
 * as on Cloudflare's http2 transport. Each visitor's request is one HTTP/2 stream.
 *
 * The head of a request or reply is sent as JSON in the header HEAD, since HTTP/2 refuses some headers that HTTP/1.1
 * allows (repeated ones, for example); cloudflared has its own header for that purpose.
 *
 * This file is loaded by the connector at start: it imports types only.
 */
import type { Http2Session, IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2';
import type { IngressRule } from './ingress.ts';

export const PROTOCOL = 'eph-tunnel';
export const REGISTER_PATH = '/cdn-cgi/tunnel/register';
export const TOKEN_HEADER = 'x-eph-tunnel-token';
export const CONNECTOR_HEADER = 'x-eph-connector';
/** The kind of a stream: a request, a WebSocket, or a new configuration. */
const KIND = 'x-eph-kind';
const HEAD = 'x-eph-head';
/** The author of the reply: the origin, or cloudflared because it had no reply. */
const SOURCE = 'x-eph-source';

/**
 * HTTP/2 windows in bytes. The connection's must be far larger than a stream's: one visitor who does not read
 * would otherwise stop all others on the same connection.
 */
export const STREAM_WINDOW = 256 * 1024;
export const CONNECTION_WINDOW = 64 * 1024 * 1024;

/** Megabytes a session may hold; Node's 10 would refuse new streams while one visitor reads slowly. */
export const SESSION_MEMORY_MB = 1_000;
const PING_EVERY_MS = 5_000;

export type HeaderList = [name: string, value: string][];

export interface RequestHead {
  method: string;
  /** Path and query. */
  path: string;
  headers: HeaderList;
}

export interface ReplyHead {
  status: number;
  headers: HeaderList;
  source: 'origin' | 'cloudflared';
}

export type StreamKind = 'request' | 'websocket' | 'configuration';

export interface ConnectorHello {
  clientId: string;
}

export interface PushedConfiguration {
  version: number;
  ingress: IngressRule[];
  /** The signers of Access tokens, by `teamName`: issuer, and where the edge serves the keys. */
  teams: Record<string, { issuer: string; certsHost: string; certsPath: string }>;
}

/** Headers that belong to one connection, not to the request (RFC 9110, 7.6.1). */
const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);

/** Node's flat `rawHeaders` as pairs, without those that end at this hop. */
export function endToEnd(rawHeaders: readonly string[]): HeaderList {
  const pairs: HeaderList = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? '';
    if (!hopByHop.has(name.toLowerCase())) pairs.push([name, rawHeaders[i + 1] ?? '']);
  }
  return pairs;
}

export function headerOf(headers: HeaderList, name: string): string | undefined {
  return headers.find(([key]) => key.toLowerCase() === name)?.[1];
}

export function withoutHeaders(headers: HeaderList, ...names: string[]): HeaderList {
  return headers.filter(([key]) => !names.includes(key.toLowerCase()));
}

export function requestHeaders(kind: StreamKind, head: RequestHead | undefined): OutgoingHttpHeaders {
  return {
    ':method': 'POST',
    ':path': '/',
    [KIND]: kind,
    ...(head ? { [HEAD]: pack(head) } : {}),
  };
}

export function readRequest(
  headers: IncomingHttpHeaders,
): { kind: 'configuration' } | { kind: 'request' | 'websocket'; head: RequestHead } {
  const kind = headers[KIND];
  if (kind !== 'request' && kind !== 'websocket') return { kind: 'configuration' };
  return { kind, head: unpack(headers[HEAD]) as RequestHead };
}

export function replyHeaders(head: ReplyHead): OutgoingHttpHeaders {
  const { source, ...rest } = head;
  return { ':status': 200, [SOURCE]: source, [HEAD]: pack(rest) };
}

export function readReply(headers: IncomingHttpHeaders): ReplyHead {
  const head = unpack(headers[HEAD]) as Omit<ReplyHead, 'source'>;
  return { ...head, source: headers[SOURCE] === 'cloudflared' ? 'cloudflared' : 'origin' };
}

function pack(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function unpack(value: string | string[] | undefined): unknown {
  return JSON.parse(Buffer.from(String(value), 'base64url').toString());
}

/** Ends a session whose other side no longer answers: a machine that lost its power sends no FIN. */
export function keepAlive(session: Http2Session): void {
  let answered = true;
  const timer = setInterval(() => {
    if (session.destroyed) return;
    if (!answered) {
      session.destroy();
      return;
    }
    answered = false;
    session.ping(() => {
      answered = true;
    });
  }, PING_EVERY_MS);
  timer.unref();
  session.on('close', () => clearInterval(timer));
}
