import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isSignedWith, readSignature } from '../../local/aws/sigv4.ts';

/**
 * The part of S3 that a host uses: signed GET and PUT of whole objects, conditional reads, 404. It checks the
 * signature of every request, because a bootstrap with a wrong signature works against anything more lenient.
 */
export interface ObjectServer {
  url: string;
  /** Key without the bucket. */
  put(key: string, body: string | Uint8Array): void;
  text(key: string): string | undefined;
  requests: string[];
  /** The next `times` requests are answered with this status. */
  failNext(times: number, status: number): void;
  close(): Promise<void>;
}

export const credentials = {
  roleName: 'eph-host',
  accessKeyId: 'ASIAHOST',
  secretAccessKey: 'host/secret+key',
  sessionToken: 'session/token==',
  expiresAt: Date.now() + 3_600_000,
};

export async function startObjectServer(host = '127.0.0.1'): Promise<ObjectServer> {
  const objects = new Map<string, Buffer>();
  const requests: string[] = [];
  let failures = { times: 0, status: 500 };
  const tagOf = (body: Buffer) => `"${createHash('md5').update(body).digest('hex')}"`;

  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const headers = Object.fromEntries(
      Object.entries(request.headers).map(([key, value]) => [key, String(value)]),
    );
    const raw = { method: request.method ?? '', target: request.url ?? '', headers, body };
    const key = decodeURIComponent((request.url ?? '').split('?')[0] ?? '').replace(/^\/[^/]+\//, '');
    requests.push(`${request.method} ${key}`);
    const answer = (status: number, text = '', more: Record<string, string> = {}) =>
      response.writeHead(status, { 'content-type': 'application/xml', ...more }).end(text);

    if (failures.times > 0) {
      failures = { ...failures, times: failures.times - 1 };
      return answer(failures.status, '<Error><Code>SlowDown</Code><Message>wait</Message></Error>');
    }
    const signature = readSignature(raw);
    const signed =
      signature !== undefined &&
      signature.accessKeyId === credentials.accessKeyId &&
      signature.service === 's3' &&
      headers['x-amz-security-token'] === credentials.sessionToken &&
      signature.signedHeaders.includes('x-amz-security-token') &&
      isSignedWith(credentials.secretAccessKey, raw, signature);
    if (!signed) return answer(403, '<Error><Code>SignatureDoesNotMatch</Code><Message>no</Message></Error>');
    if (request.method === 'PUT') {
      objects.set(key, body);
      return answer(200, '', { etag: tagOf(body) });
    }
    const found = objects.get(key);
    if (!found) return answer(404, '<Error><Code>NoSuchKey</Code><Message>no</Message></Error>');
    if (headers['if-none-match'] === tagOf(found)) return answer(304);
    response.writeHead(200, { etag: tagOf(found), 'content-length': found.length }).end(found);
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  return {
    url: `http://${host}:${(server.address() as AddressInfo).port}`,
    put: (key, body) => objects.set(key, Buffer.from(body)),
    text: (key) => objects.get(key)?.toString(),
    requests,
    failNext(times, status) {
      failures = { times, status };
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
