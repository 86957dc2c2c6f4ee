import { request as httpRequest, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import type { Duplex, Readable } from 'node:stream';
import type { EdgeRequest } from './access-gate.ts';
import { type EdgeReply, VISITOR_LEFT } from './edge-http.ts';
import { endToEnd } from './tunnel-wire.ts';

interface PassOn {
  /** The address to connect to; the request keeps its own Host. */
  to: URL;
  request: EdgeRequest;
  kind: 'request' | 'websocket';
  body?: Readable;
  left?: AbortSignal;
}

/** Passes a request on over HTTP unchanged: nothing is buffered, and an upgrade stays an upgrade. */
export function passOn({ to, request, kind, body, left }: PassOn): Promise<EdgeReply> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest({
      hostname: to.hostname,
      port: to.port || 80,
      method: request.method,
      path: request.path,
      headers: headersOf(request, kind),
      setHost: false,
    });
    outgoing.on('response', (answer) => resolve(replyOf(answer, answer)));
    outgoing.on('upgrade', (answer, socket, early) => {
      if (early.length > 0) socket.unshift(early);
      resolve(replyOf(answer, socket));
    });
    outgoing.on('error', reject);
    left?.addEventListener('abort', () => outgoing.destroy(new Error(VISITOR_LEFT)));
    if (body) body.pipe(outgoing);
    else outgoing.end();
  });
}

function headersOf(request: EdgeRequest, kind: PassOn['kind']): OutgoingHttpHeaders {
  const headers: Record<string, string[]> = {};
  for (const [name, value] of request.headers)
    headers[name.toLowerCase()] = [...(headers[name.toLowerCase()] ?? []), value];
  const single = Object.fromEntries(
    Object.entries(headers).map(([name, all]) => [name, all.length > 1 ? all : all[0]]),
  );
  return kind === 'websocket' ? { ...single, connection: 'Upgrade', upgrade: 'websocket' } : single;
}

function replyOf(answer: IncomingMessage, body: Readable | Duplex): EdgeReply {
  return { status: answer.statusCode ?? 502, headers: endToEnd(answer.rawHeaders), body };
}
