import { createServer, type IncomingMessage, type ServerResponse, request as send } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connectOutside } from './connect-outside.ts';

export interface RegistryFrontOptions {
  /** The address that the machines use. */
  readonly address: string;
  /** The registry with the images that are made here. */
  readonly storeUrl: string;
  /** `library/node` and `24`: makes the image if its recipe is here. */
  ensure(repository: string, tag: string): Promise<void>;
  /** The address of a cache of the real registry, if that can be reached. */
  upstream(): Promise<string | undefined>;
  /** Names for the message about an image that is not available. */
  readonly madeHere: readonly string[];
}

/**
 * The registry mirror of the machines' engines, and their proxy to all other registries.
 *
 *   asked for            answered by
 *   an image made here   the store, when it is made: the first request waits for that
 *   any other            a cache of the real registry; 404 where that is out of reach, so that the engine asks itself
 *   CONNECT              the other registry. Its refusal is the engine's error, word for word (net/http takes the
 *                        reason phrase), so people read here what could not be reached and which images there are
 *
 * It only reads: an image that one machine could push would be pulled by the others.
 */
export async function startRegistryFront(
  options: RegistryFrontOptions,
): Promise<{ url: string; close(): void }> {
  const server = createServer((request, response) => {
    answer(request, response, options).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else response.writeHead(500).end(`${error instanceof Error ? error.message : error}\n`);
    });
  });
  const sockets = new Set<Duplex>();
  server.on('connect', (request: IncomingMessage, client: Socket, head: Buffer) => {
    sockets.add(client.on('close', () => sockets.delete(client)).on('error', () => client.destroy()));
    void passThrough(request.url ?? '', client, head, options.madeHere);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, options.address, resolve);
  });
  return {
    url: `http://${options.address}:${(server.address() as AddressInfo).port}`,
    close() {
      server.close();
      server.closeAllConnections();
      for (const socket of sockets) socket.destroy();
    },
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { storeUrl, ensure, upstream }: RegistryFrontOptions,
): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') return void response.writeHead(405).end();
  // BuildKit names the mirrored registry in the query.
  const { pathname } = new URL(request.url ?? '/', storeUrl);
  const [, repository = '', tag = ''] = /^\/v2\/(.+)\/manifests\/([^/]+)$/.exec(pathname) ?? [];
  if (tag !== '') await ensure(repository, tag);
  const found = await askRegistry(storeUrl, request);
  if (found.statusCode !== 404) return pass(found, response);
  found.resume();
  const cache = await upstream();
  if (cache === undefined) return void response.writeHead(404).end();
  pass(await askRegistry(cache, request), response);
}

function askRegistry(url: string, { url: path = '/', method, headers }: IncomingMessage) {
  return new Promise<IncomingMessage>((resolve, reject) => {
    const { host } = new URL(url);
    send(`${url}${path}`, { method, headers: { ...headers, host } })
      .once('response', resolve)
      .once('error', reject)
      .end();
  });
}

function pass(from: IncomingMessage, to: ServerResponse): void {
  to.writeHead(from.statusCode ?? 502, from.headers);
  from.on('error', () => to.destroy()).pipe(to);
  to.on('close', () => from.destroy());
}

async function passThrough(
  target: string,
  client: Duplex,
  head: Buffer,
  madeHere: readonly string[],
): Promise<void> {
  const connection = await connectOutside(target);
  if ('refused' in connection) {
    const images = `; images that the local platform has: ${madeHere.join(', ')}`;
    client.end(`HTTP/1.1 502 ${connection.refused}${images}\r\n\r\n`);
    return;
  }
  const { socket } = connection;
  socket.on('error', () => client.destroy()).on('close', () => client.destroy());
  client.on('close', () => socket.destroy());
  client.write('HTTP/1.1 200 Connected\r\n\r\n');
  if (head.length > 0) socket.write(head);
  client.pipe(socket).pipe(client);
}
