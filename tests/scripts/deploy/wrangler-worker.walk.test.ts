import { readdir } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { text as readAll } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { wranglerWorker } from '../../../infra/deploy/wrangler-worker.ts';

/** The part of Cloudflare's API that wrangler's upload uses; keeps the uploaded script. */
interface Upload {
  token: string | undefined;
  body: string;
}
let server: Server;
let upload: Upload | undefined;
const script = { name: 'eph-shop', accountId: 'a'.repeat(32), apiToken: 'deploy-token' };

async function answer(request: IncomingMessage): Promise<{ status?: number; result: unknown }> {
  const { method, url = '' } = request;
  const body = await readAll(request);
  if (method === 'PUT' && /\/workers\/scripts\/eph-shop(\?|$)/.test(url)) {
    upload = { token: request.headers.authorization, body };
    return { result: { id: 'eph-shop', etag: 'e', deployment_id: 'd' } };
  }
  if (/\/deployments(\?|$)/.test(url)) return { result: { deployments: [] } };
  if (/\/(secrets|versions|schedules|domains)(\?|\/|$)/.test(url)) return { result: [] };
  if (url.endsWith('/settings')) {
    if (!upload) return { status: 404, result: null };
    const { bindings } = metadataOf(upload);
    return {
      result: {
        bindings: bindings.map(({ text, ...rest }) =>
          rest.type === 'secret_text' ? rest : { ...rest, text },
        ),
      },
    };
  }
  if (url.includes('/workers/services/') && !upload) return { status: 404, result: null };
  return { result: { subdomain: 'acme', enabled: true, previews_enabled: false } };
}

function metadataOf({ body }: Upload): { bindings: { name: string; type: string; text?: string }[] } {
  const [, json = '{}'] = /name="metadata"[^\r\n]*(?:\r\n[^\r\n]+)*\r\n\r\n([^\r\n]+)/.exec(body) ?? [];
  return JSON.parse(json);
}

beforeAll(async () => {
  server = createServer((request, reply) => {
    void answer(request).then(({ status = 200, result }) => {
      reply.writeHead(status, { 'content-type': 'application/json' });
      const errors = status === 404 ? [{ code: 10007, message: 'This Worker does not exist.' }] : [];
      reply.end(JSON.stringify({ success: status === 200, errors, messages: [], result }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(() => server.close());

test('the real wrangler uploads bundle, settings and secrets in one step and leaves no file', async () => {
  const { port } = server.address() as AddressInfo;
  const worker = wranglerWorker({ CLOUDFLARE_API_URL: `http://127.0.0.1:${port}` }, process.env);
  expect(await worker.installed(script)).toBeUndefined();
  const secret = 'a$b `c` "d"';
  const lines: string[] = [];
  await worker.upload(
    {
      ...script,
      vars: { VERSION: 'v1', SQS_QUEUE_URL: 'https://sqs.example/1/jobs' },
      secrets: { GITHUB_WEBHOOK_SECRET: secret },
      dropSecrets: [],
    },
    (line) => lines.push(line),
  );

  expect(upload?.token).toBe('Bearer deploy-token');
  expect(metadataOf(upload ?? { token: undefined, body: '' }).bindings).toEqual(
    expect.arrayContaining([
      { name: 'VERSION', type: 'plain_text', text: 'v1' },
      { name: 'SQS_QUEUE_URL', type: 'plain_text', text: 'https://sqs.example/1/jobs' },
      { name: 'GITHUB_WEBHOOK_SECRET', type: 'secret_text', text: secret },
    ]),
  );
  expect(lines.join('\n')).not.toContain(secret);
  expect((await readdir(tmpdir())).filter((name) => name.startsWith('eph-wrangler-'))).toEqual([]);
  expect(await worker.installed(script)).toEqual({
    vars: { VERSION: 'v1', SQS_QUEUE_URL: 'https://sqs.example/1/jobs' },
    secretNames: ['GITHUB_WEBHOOK_SECRET'],
  });
});

test('the version depends on the bundle only, so it is the same for the same sources', async () => {
  const version = () => wranglerWorker({ CLOUDFLARE_API_URL: 'http://127.0.0.1:1' }, process.env).version();
  const [one, two] = [await version(), await version()];
  expect(one).toMatch(/^[0-9a-f]{64}$/);
  expect(two).toBe(one);
});
