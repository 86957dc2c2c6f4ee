import { createSocket } from 'node:dgram';

/**
 * The name server of the machines: it knows no names. Without it a misspelt service name would take each
 * container seconds to fail (EAI_AGAIN), where on EC2 the answer "no such name" comes at once; names of
 * compose services never get here, the engine answers those itself.
 *
 * UDP port 53 of the bridge. Where another name server already has that port on all addresses, that one
 * answers the machines, which is as good.
 */
export async function startResolver(address: string): Promise<{ close(): void }> {
  const socket = createSocket('udp4');
  socket.on('message', (query, from) => {
    const reply = noSuchName(query);
    if (reply) socket.send(reply, from.port, from.address);
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve() : reject(error),
    );
    socket.bind(53, address, resolve);
  });
  // A machine that went away while its answer was under way.
  socket.on('error', () => undefined);
  return { close: () => socket.close() };
}

const HEADER_BYTES = 12;

/** The query's header and question with the code NXDOMAIN (RFC 1035 4.1); undefined for what is no query. */
export function noSuchName(query: Buffer): Buffer | undefined {
  if (query.length < HEADER_BYTES || query.readUInt16BE(4) !== 1 || (query[2] ?? 0) & 0x80) return undefined;
  let end = HEADER_BYTES;
  while (end < query.length && query[end] !== 0) end += (query[end] ?? 0) + 1;
  end += 5;
  if (end > query.length) return undefined;
  const reply = Buffer.from(query.subarray(0, end));
  const recursionDesired = (query[2] ?? 0) & 0x01;
  reply[2] = 0x80 | recursionDesired;
  reply[3] = 0x83;
  reply.fill(0, 6, HEADER_BYTES);
  return reply;
}
