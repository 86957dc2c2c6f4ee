import { lookup as systemLookup } from 'node:dns';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';

export interface Page {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}

/**
 * GET without following redirects. Browsers resolve `*.localhost` to this machine by themselves (RFC 6761); Node asks
 * the system's resolver, which may not know such names, so the address is given.
 */
export function fetchPage(address: string, headers: Record<string, string> = {}): Promise<Page> {
  const url = new URL(address);
  const request = url.protocol === 'https:' ? httpsRequest : httpRequest;
  const isLocal = url.hostname.endsWith('.localhost') || url.hostname === 'localhost';
  return new Promise((resolve, reject) => {
    const call = request(
      url,
      { headers, timeout: 15_000, ...(isLocal ? { lookup: loopback } : {}) },
      (reply) => {
        const chunks: Buffer[] = [];
        reply.on('data', (chunk: Buffer) => chunks.push(chunk));
        reply.on('error', reject);
        reply.on('end', () =>
          resolve({
            status: reply.statusCode ?? 0,
            headers: reply.headers,
            body: Buffer.concat(chunks).toString('utf8'),
          }),
        );
      },
    );
    call.on('timeout', () => call.destroy(new Error(`${address} did not answer within 15 seconds`)));
    call.on('error', reject);
    call.end();
  });
}

const loopback: typeof systemLookup = Object.assign(
  (hostname: string, options: unknown, callback?: unknown) => {
    const done = typeof options === 'function' ? options : callback;
    const all = typeof options === 'object' && options !== null && 'all' in options && options.all === true;
    const address = isIP(hostname) ? hostname : '127.0.0.1';
    if (typeof done !== 'function') return;
    if (all) done(null, [{ address, family: 4 }]);
    else done(null, address, 4);
  },
  { __promisify__: systemLookup.__promisify__ },
);
