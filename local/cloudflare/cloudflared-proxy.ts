/**
 * One visitor's request, from the stream of the tunnel to the service of the rule that matches, and back.
 *
 * Gotchas
 * - Without a configuration every request is 503, as cloudflared answers until it has one.
 * - The origin sees the public hostname as Host unless the rule says otherwise, and the path unchanged.
 * - If an origin closes a kept connection just as it is used again, the request is repeated once, if it had no body.
 * - If the origin cuts a reply off, the visitor's reply is cut off too (`destroy` with an error: `close` would first
 *   end the stream properly). A proper end would make half a page look complete.
 */
import { Agent, type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import type { ServerHttp2Stream } from 'node:http2';
import type { Duplex } from 'node:stream';
import type { AccessCheck } from './cloudflared-access.ts';
import { type IngressRule, matchIngress } from './ingress.ts';
import {
  endToEnd,
  headerOf,
  type PushedConfiguration,
  type ReplyHead,
  type RequestHead,
  replyHeaders,
  withoutHeaders,
} from './tunnel-wire.ts';

/** The rule's `connectTimeout`, in seconds, if it gives none. */
const CONNECT_TIMEOUT_S = 30;
const bodyless = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE']);

interface ProxyOptions {
  configuration: () => PushedConfiguration | undefined;
  checkAccess: AccessCheck;
  log: (level: 'INF' | 'ERR', message: string) => void;
}

export interface Exchange {
  kind: 'request' | 'websocket';
  head: RequestHead;
  stream: ServerHttp2Stream;
}

/** Resolves with the status of the answer. */
export type ForwardExchange = (exchange: Exchange) => Promise<number>;

export function createProxy({ configuration, checkAccess, log }: ProxyOptions): ForwardExchange {
  const agent = new Agent({ keepAlive: true, maxFreeSockets: 100 });

  return async (exchange) => {
    const { head, stream } = exchange;
    const host = headerOf(head.headers, 'host') ?? '';
    const current = configuration();
    const [path = '/'] = head.path.split('?');
    const rule = matchIngress(current?.ingress ?? [], host, path);
    if (!current || !rule) return answer(stream, 503);
    const access = rule.originRequest?.access;
    const token = headerOf(head.headers, 'cf-access-jwt-assertion');
    const verdict = access ? await checkAccess(access, current.teams, token) : 'fine';
    if (verdict === 'refused') return answer(stream, 403);
    if (verdict === 'broken') {
      log('ERR', `the Access token for ${host} could not be verified`);
      return answer(stream, 502);
    }
    const status = /^http_status:(\d+)$/.exec(rule.service)?.[1];
    if (status !== undefined) return answer(stream, Number(status));
    try {
      return await toOrigin(exchange, rule, agent);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      log('ERR', `Unable to reach the origin service ${rule.service}: ${reason}`);
      return answer(stream, 502);
    }
  };
}

/** cloudflared's own answer: no body. */
function answer(stream: ServerHttp2Stream, status: number): number {
  respond(stream, { status, headers: [], source: 'cloudflared' });
  stream.resume();
  stream.end();
  return status;
}

function respond(stream: ServerHttp2Stream, head: ReplyHead): void {
  if (!stream.destroyed && !stream.headersSent) stream.respond(replyHeaders(head));
}

async function toOrigin(exchange: Exchange, rule: IngressRule, agent: Agent): Promise<number> {
  const { kind, head, stream } = exchange;
  const hasBody =
    kind === 'request' &&
    (!bodyless.has(head.method) || headerOf(head.headers, 'content-length') !== undefined);
  const open = await originOf(rule, head, kind, kind === 'websocket' ? undefined : agent);

  return new Promise((resolve, reject) => {
    const attempt = (isRetry: boolean): void => {
      const outgoing = open();
      limitConnecting(outgoing, rule.originRequest?.connectTimeout ?? CONNECT_TIMEOUT_S);
      outgoing.on('response', (incoming) => {
        relay(incoming, stream);
        resolve(incoming.statusCode ?? 502);
      });
      outgoing.on('upgrade', (incoming, socket, early) => {
        joinUpgrade(incoming, socket, early, stream);
        resolve(101);
      });
      outgoing.on('error', (error: NodeJS.ErrnoException) => {
        const isStale = outgoing.reusedSocket && error.code === 'ECONNRESET';
        if (isStale && !hasBody && !isRetry) attempt(true);
        else reject(error);
      });
      stream.on('close', () => outgoing.destroy());
      if (hasBody) stream.pipe(outgoing);
      else outgoing.end();
    };
    if (!hasBody && kind === 'request') stream.resume();
    attempt(false);
  });
}

function relay(incoming: IncomingMessage, stream: ServerHttp2Stream): void {
  respond(stream, {
    status: incoming.statusCode ?? 502,
    headers: endToEnd(incoming.rawHeaders),
    source: 'origin',
  });
  incoming.on('error', (error) => stream.destroy(error));
  incoming.pipe(stream);
}

function joinUpgrade(
  incoming: IncomingMessage,
  socket: Duplex,
  early: Buffer,
  stream: ServerHttp2Stream,
): void {
  respond(stream, { status: 101, headers: endToEnd(incoming.rawHeaders), source: 'origin' });
  if (early.length > 0) stream.write(early);
  socket.pipe(stream).pipe(socket);
  socket.on('error', (error) => stream.destroy(error));
  socket.on('close', () => stream.end());
  stream.on('close', () => socket.destroy());
}

async function originOf(
  rule: IngressRule,
  head: RequestHead,
  kind: Exchange['kind'],
  agent: Agent | undefined,
): Promise<() => ClientRequest> {
  const hostHeader = rule.originRequest?.httpHostHeader;
  const headers = hostHeader
    ? [...withoutHeaders(head.headers, 'host'), ['Host', hostHeader] as [string, string]]
    : [...head.headers];
  if (kind === 'websocket') headers.push(['Connection', 'Upgrade'], ['Upgrade', 'websocket']);
  const options = { method: head.method, path: head.path, headers: headers.flat() };

  const unix = /^unix:(.+)$/.exec(rule.service)?.[1];
  if (unix !== undefined) return () => httpRequest({ ...options, socketPath: unix });
  const url = new URL(rule.service);
  const target = { ...options, hostname: url.hostname.replace(/^\[|\]$/g, ''), port: url.port };
  if (url.protocol === 'http:' || url.protocol === 'ws:') {
    return () => httpRequest({ ...target, ...(agent ? { agent } : {}) });
  }
  if (url.protocol !== 'https:' && url.protocol !== 'wss:') {
    throw new Error(`the stand-in for cloudflared carries no ${url.protocol} services`);
  }
  const https = await import('node:https');
  const rejectUnauthorized = rule.originRequest?.noTLSVerify !== true;
  return () => https.request({ ...target, rejectUnauthorized });
}

/** The limit holds only until the connection is up: a page may take as long as it likes. */
function limitConnecting(outgoing: ClientRequest, seconds: number): void {
  outgoing.on('socket', (socket) => {
    if (!socket.connecting) return;
    const timer = setTimeout(() => outgoing.destroy(new Error('dial timeout')), seconds * 1_000);
    const clear = (): void => clearTimeout(timer);
    socket.once('connect', clear).once('close', clear);
  });
}
