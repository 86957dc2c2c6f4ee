import { createSocket, type RemoteInfo } from 'node:dgram';
import { Resolver } from 'node:dns';
import { connect, createServer } from 'node:net';

/**
 * The name server of the machines. It passes questions on to the name servers of this machine, which are read again
 * each time, since a laptop changes networks. Names that no name server outside can know are answered at once:
 * otherwise each container would wait seconds for a misspelt service name to fail (EAI_AGAIN). The engine itself
 * answers for names of compose services, so they never come here.
 *
 * It uses port 53 of the bridge, UDP and TCP. Where another name server already has that port on all addresses, that
 * one answers the machines instead, which works as well.
 */
export async function startResolver(
  address: string,
  nameservers: () => readonly string[],
): Promise<{ close(): void }> {
  const socket = createSocket('udp4');
  socket.on('message', (query, from) => {
    void answer(query, nameservers).then((reply) => reply && sendTo(from, reply));
  });
  const sendTo = (from: RemoteInfo, reply: Buffer) =>
    // The platform may have closed while a name server was being asked.
    socket.send(reply, from.port, from.address, () => undefined);
  const bound = await new Promise<boolean>((resolve, reject) => {
    socket.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(false) : reject(error),
    );
    socket.bind(53, address, () => resolve(true));
  });
  // The machine disappeared before its answer was sent.
  socket.on('error', () => undefined);
  const server = startTcp(address, nameservers);
  return {
    close() {
      if (bound) socket.close();
      server.close();
    },
  };
}

/** The name servers in this machine's resolv.conf. */
export function ownNameservers(): string[] {
  return new Resolver().getServers();
}

/** Resolvers use TCP when an answer is too long for a packet; the bytes are passed through unchanged. */
function startTcp(address: string, nameservers: () => readonly string[]) {
  const server = createServer((client) => {
    const [first] = nameservers();
    client.on('error', () => client.destroy());
    if (!first) return client.destroy();
    const { host, port } = addressOf(first);
    const upstream = connect({ host, port });
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      from.setTimeout(IDLE_MS, () => from.destroy());
      from.on('error', () => to.destroy()).on('close', () => to.destroy());
      from.pipe(to);
    }
  });
  server.on('error', () => undefined);
  server.listen(53, address);
  return server;
}

/** resolv.conf(5): a resolver waits 5 s for a server before it asks the next. */
const ANSWER_MS = 5_000;
const IDLE_MS = 10_000;

/** Asks one server after the other, as a resolver does; undefined if the message is no query. */
export async function answer(
  query: Buffer,
  nameservers: () => readonly string[],
): Promise<Buffer | undefined> {
  const refused = noSuchName(query);
  if (!refused || isOnlyOurs(query)) return refused;
  const servers = nameservers();
  if (servers.length === 0) return refused;
  for (const server of servers) {
    const reply = await ask(server, query);
    if (reply) return reply;
  }
  refused[3] = 0x80 | SERVER_FAILURE;
  return refused;
}

function ask(server: string, query: Buffer): Promise<Buffer | undefined> {
  const { host, port } = addressOf(server);
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  return new Promise((resolve) => {
    const end = (reply?: Buffer) => {
      clearTimeout(late);
      socket.close();
      resolve(reply);
    };
    const late = setTimeout(end, ANSWER_MS);
    socket.once('error', () => end());
    // The socket is connected: only this server's answer is accepted, and a missing server is noticed at once.
    socket.once('message', (reply) => end(reply));
    socket.connect(port, host, () => socket.send(query));
  });
}

/** Parses Node's notation of servers: `10.0.0.2`, `10.0.0.2:5353`, `fd00::1`, `[fd00::1]:5353`. */
function addressOf(server: string): { host: string; port: number } {
  const [, host = server, port = '53'] =
    /^\[(.+)\]:(\d+)$/.exec(server) ?? /^([\d.]+):(\d+)$/.exec(server) ?? [];
  return { host, port: Number(port) };
}

const HEADER_BYTES = 12;
const SERVER_FAILURE = 2;

/** The query's header and question with the code NXDOMAIN (RFC 1035 4.1); undefined if the message is no query. */
export function noSuchName(query: Buffer): Buffer | undefined {
  if (query.length < HEADER_BYTES || query.readUInt16BE(4) !== 1 || (query[2] ?? 0) & 0x80) return undefined;
  const end = HEADER_BYTES + labelsOf(query).reduce((sum, label) => sum + label.length + 1, 0) + 5;
  if (end > query.length) return undefined;
  const reply = Buffer.from(query.subarray(0, end));
  const recursionDesired = (query[2] ?? 0) & 0x01;
  reply[2] = 0x80 | recursionDesired;
  reply[3] = 0x83;
  reply.fill(0, 6, HEADER_BYTES);
  return reply;
}

/**
 * A single word, which is a service's name or nothing, and `localhost`, which must never be asked for (RFC 6761 6.3).
 */
function isOnlyOurs(query: Buffer): boolean {
  const labels = labelsOf(query);
  return labels.length === 1 || labels.at(-1)?.toString('latin1').toLowerCase() === 'localhost';
}

function labelsOf(query: Buffer): Buffer[] {
  const labels: Buffer[] = [];
  for (let at = HEADER_BYTES; at < query.length; ) {
    const length = query[at] ?? 0;
    if (length === 0) break;
    labels.push(query.subarray(at + 1, at + 1 + length));
    at += length + 1;
  }
  return labels;
}
