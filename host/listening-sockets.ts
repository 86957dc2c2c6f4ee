/**
 * Listening TCP sockets, from the text of `/proc/<pid>/net/tcp` or `tcp6`: this shows where a container really
 * listens, without a tool inside it.
 */
export interface ListeningSocket {
  address: string;
  port: number;
}

const LISTEN = '0A';

export function listeningSockets(procNetTcp: string): ListeningSocket[] {
  const sockets: ListeningSocket[] = [];
  for (const line of procNetTcp.split('\n').slice(1)) {
    const [, local, , state] = line.trim().split(/\s+/);
    const [hex, port] = (local ?? '').split(':');
    if (state !== LISTEN || !hex || !port) continue;
    sockets.push({ address: address(hex), port: Number.parseInt(port, 16) });
  }
  // Docker's own DNS listens inside every container on 127.0.0.11, on a random port.
  return sockets.filter((socket) => socket.address !== '127.0.0.11');
}

/** The kernel prints each 32-bit word in the machine's byte order (little endian on all that we run on). */
function address(hex: string): string {
  const words = hex.match(/.{8}/g) ?? [];
  const bytes = words.flatMap((word) =>
    (word.match(/../g) ?? []).reverse().map((byte) => Number.parseInt(byte, 16)),
  );
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.slice(0, 15).every((byte) => byte === 0)) return bytes[15] === 1 ? '::1' : '::';
  const mapped = bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff;
  if (mapped) return bytes.slice(12).join('.');
  return bytes
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('')
    .replace(/(.{4})(?=.)/g, '$1:');
}
