import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex, Readable } from 'node:stream';
import type { EdgeRequest } from './access-gate.ts';
import { MEANT_HOST } from './meant-host.ts';
import { endToEnd, type HeaderList, withoutHeaders } from './tunnel-wire.ts';

/** A reply on its way to the visitor: from the origin (a stream) or from the edge itself (text). */
export interface EdgeReply {
  status: number;
  headers: HeaderList;
  body: Readable | string;
}

const MAX_FORM_BYTES = 16 * 1024;
/**
 * This must be an error: `destroy()` without one resets the stream with "no error", and a paused peer does not
 * notice.
 */
export const VISITOR_LEFT = 'the visitor has left';

/** The visitor's request with the headers that Cloudflare adds; a visitor's own values of these headers are dropped. */
export function readRequest(incoming: IncomingMessage, ray: string): EdgeRequest {
  const host = (incoming.headers.host ?? '').toLowerCase();
  const ip = (incoming.socket.remoteAddress ?? '').replace(/^::ffff:/, '');
  const forwarded = incoming.headers['x-forwarded-for'];
  const kept = withoutHeaders(
    endToEnd(incoming.rawHeaders),
    'cf-ray',
    'cf-visitor',
    'cf-connecting-ip',
    'cdn-loop',
    'expect',
    'x-forwarded-for',
    'x-forwarded-proto',
  );
  return {
    method: incoming.method ?? 'GET',
    host,
    hostname: host.replace(/:\d+$/, ''),
    path: incoming.url ?? '/',
    ip,
    headers: [
      ...kept,
      ['Cf-Ray', ray],
      ['Cf-Connecting-Ip', ip],
      ['Cf-Visitor', '{"scheme":"http"}'],
      ['Cdn-Loop', 'cloudflare; loops=1'],
      ['X-Forwarded-For', forwarded === undefined ? ip : `${[forwarded].flat().join(', ')}, ${ip}`],
      ['X-Forwarded-Proto', 'http'],
    ],
  };
}

/** A Worker's own request, unchanged: its headers about the visitor were set by the edge. */
export function readForwarded(incoming: IncomingMessage): EdgeRequest {
  const host = String(incoming.headers[MEANT_HOST] ?? incoming.headers.host ?? '').toLowerCase();
  return {
    method: incoming.method ?? 'GET',
    host,
    hostname: host.replace(/:\d+$/, ''),
    path: incoming.url ?? '/',
    ip: incoming.headers['cf-connecting-ip']?.toString() ?? '',
    headers: [['Host', host], ...withoutHeaders(endToEnd(incoming.rawHeaders), 'host', MEANT_HOST)],
  };
}

export async function readForm(incoming: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of incoming.setEncoding('utf8')) {
    text += chunk;
    if (text.length > MAX_FORM_BYTES) return '';
  }
  return text;
}

export function sendReply(reply: EdgeReply, outgoing: ServerResponse, ray: string): void {
  const { body } = reply;
  if (outgoing.destroyed) {
    if (typeof body !== 'string') body.destroy(new Error(VISITOR_LEFT));
    return;
  }
  outgoing.writeHead(reply.status, signed(reply.headers, ray).flat());
  if (typeof body === 'string') {
    outgoing.end(body);
    return;
  }
  // Server-sent events: the head must not wait for the first byte of the body.
  outgoing.flushHeaders();
  body.on('aborted', () => outgoing.destroy());
  body.on('error', () => outgoing.destroy());
  outgoing.on('close', () => {
    const isComplete = outgoing.writableFinished && outgoing.req.complete;
    body.destroy(isComplete ? undefined : new Error(VISITOR_LEFT));
  });
  body.pipe(outgoing);
}

/** Answers an upgrade request with something other than an upgrade. */
export async function refuseUpgrade(socket: Duplex, reply: EdgeReply, ray: string): Promise<void> {
  const text = typeof reply.body === 'string' ? Buffer.from(reply.body) : await collect(reply.body);
  const headers = withoutHeaders(signed(reply.headers, ray), 'content-length');
  socket.end(
    Buffer.concat([
      Buffer.from(
        headText(reply.status, [
          ...headers,
          ['Content-Length', String(text.length)],
          ['Connection', 'close'],
        ]),
      ),
      text,
    ]),
  );
}

/** Completes an upgrade that the origin has accepted; after that only bytes are passed. */
export function acceptUpgrade(
  socket: Duplex,
  early: Buffer,
  headers: HeaderList,
  stream: Duplex,
  ray: string,
): void {
  if (socket.destroyed) {
    stream.destroy(new Error(VISITOR_LEFT));
    return;
  }
  socket.write(headText(101, [...signed(headers, ray), ['Connection', 'Upgrade'], ['Upgrade', 'websocket']]));
  if (early.length > 0) stream.write(early);
  socket.pipe(stream).pipe(socket);
  stream.on('error', () => socket.destroy());
  stream.on('close', () => socket.destroy());
  socket.on('close', () => stream.destroy(new Error(VISITOR_LEFT)));
}

/** Writes the body of a visitor's request into the tunnel; if the origin answers early, the rest is thrown away. */
export function feed(body: Readable, stream: Duplex): void {
  body.pipe(stream);
  body.on('error', (error) => stream.destroy(error));
  stream.on('close', () => body.resume());
}

function signed(headers: HeaderList, ray: string): HeaderList {
  return [...withoutHeaders(headers, 'server', 'cf-ray'), ['Server', 'cloudflare'], ['Cf-Ray', `${ray}-LCL`]];
}

function headText(status: number, headers: HeaderList): string {
  const reason = status === 101 ? 'Switching Protocols' : '';
  return `HTTP/1.1 ${status} ${reason}\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
}

async function collect(body: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  body.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(body, 'close');
  return Buffer.concat(chunks);
}
