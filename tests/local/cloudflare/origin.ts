import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';

export interface Origin {
  port: number;
  /** The requests it has seen, newest last. */
  seen: { url: string; headers: IncomingMessage['headers'] }[];
  /** How many event streams and unanswered requests (`/hang`) their visitors have left. */
  left(): number;
  close(): Promise<void>;
}

/** The little application behind a tunnel: says hello, echoes bodies and WebSockets, streams events. */
export async function startOrigin(): Promise<Origin> {
  const seen: Origin['seen'] = [];
  let left = 0;
  const server = createServer((incoming, outgoing) => {
    seen.push({ url: incoming.url ?? '', headers: incoming.headers });
    if (incoming.url === '/events') {
      outgoing.writeHead(200, { 'content-type': 'text/event-stream' });
      outgoing.write('data: first\n\n');
      outgoing.on('close', () => {
        left += 1;
      });
      return;
    }
    if (incoming.url === '/hang') {
      outgoing.on('close', () => {
        left += 1;
      });
      return;
    }
    if (incoming.url === '/slow') {
      setTimeout(() => outgoing.end('done'), 300);
      return;
    }
    if (incoming.url === '/cut') {
      outgoing.writeHead(200, { 'content-type': 'text/plain' });
      outgoing.write('half');
      setTimeout(() => outgoing.destroy(), 20);
      return;
    }
    if (incoming.method === 'POST') {
      outgoing.writeHead(201, { 'content-type': 'application/octet-stream' });
      incoming.pipe(outgoing);
      return;
    }
    outgoing.writeHead(200, [
      'Content-Type',
      'text/plain',
      'Set-Cookie',
      'one=1; Path=/',
      'Set-Cookie',
      'two=2; Path=/',
    ]);
    outgoing.end(`hello from ${incoming.headers.host}${incoming.url}`);
  });
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    left: () => left,
    close: () => closeAll(server, sockets),
  };
}

function closeAll(server: Server, sockets: WebSocketServer): Promise<void> {
  for (const client of sockets.clients) client.terminate();
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
