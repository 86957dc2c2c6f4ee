import { createHash, createHmac } from 'node:crypto';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import type { LambdaFunctionURLEvent } from 'aws-lambda';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { bundleFunction } from '../../infra/stack/bundle-function.ts';

/** The function behind INGRESS_URL as it is uploaded, with its own copy of the SDK, before SSM and SQS on HTTP. */
let folder: string;
let server: Server;
let handler: (event: Partial<LambdaFunctionURLEvent>) => Promise<{ statusCode: number; body: string }>;
let parameters: Record<string, string>;
let sent: { QueueUrl: string; MessageBody: string }[];
let asked: number;
const environment = {
  AWS_REGION: 'us-east-1',
  AWS_ACCESS_KEY_ID: 'AKIAEXAMPLE',
  AWS_SECRET_ACCESS_KEY: 'key',
  JOB_QUEUE_URL: '',
  WEBHOOK_SECRET_PARAMETER: '/eph/local/deploy/webhook-secret',
  WEBHOOK_SECRET_PREVIOUS_PARAMETER: '/eph/local/deploy/webhook-secret-previous',
};
const before = { ...process.env };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'eph-webhook-'));
  server = createServer(async (request, response) => {
    const body = (await json(request)) as { Names: string[] } & (typeof sent)[number];
    const operation = request.headers['x-amz-target'];
    response.setHeader('content-type', 'application/x-amz-json-1.1');
    if (operation === 'AmazonSSM.GetParameters') {
      asked++;
      const there = body.Names.filter((name) => name in parameters);
      response.end(JSON.stringify({ Parameters: there.map((Name) => ({ Name, Value: parameters[Name] })) }));
      return;
    }
    sent.push(body);
    response.end(JSON.stringify({ MessageId: 'message-1', MD5OfMessageBody: md5(body.MessageBody) }));
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  environment.JOB_QUEUE_URL = `http://127.0.0.1:${port}/123456789012/jobs`;
  Object.assign(process.env, environment, { AWS_ENDPOINT_URL: `http://127.0.0.1:${port}` });
  await bundleFunction(join(import.meta.dirname, '../../lambdas/handlers/on-webhook.ts'), folder);
});
afterAll(async () => {
  for (const name of [...Object.keys(environment), 'AWS_ENDPOINT_URL']) {
    if (before[name] === undefined) delete process.env[name];
    else process.env[name] = before[name];
  }
  server.close();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  parameters = { '/eph/local/deploy/webhook-secret': 'current' };
  sent = [];
  asked = 0;
  vi.spyOn(process.stdout, 'write').mockImplementation(() => true);
  // A fresh sandbox for each test: the function keeps the secrets that it has read.
  const file = `${pathToFileURL(join(folder, 'index.mjs')).href}?${performance.now()}`;
  ({ handler } = await import(file));
});

afterEach(() => {
  vi.restoreAllMocks();
});

const opened = JSON.stringify({
  action: 'opened',
  number: 7,
  installation: { id: 3 },
  repository: { id: 5, name: 'shop', owner: { login: 'acme' } },
});

/** The SDK compares it with what it sent. */
function md5(text: string): string {
  return createHash('md5').update(text).digest('hex');
}

function deliver(body: string, secret: string, of: Partial<LambdaFunctionURLEvent> = {}) {
  const headers = {
    'content-type': 'application/json',
    'x-github-event': 'pull_request',
    'x-github-delivery': 'delivery-1',
    'x-hub-signature-256': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
  };
  return handler({ body, isBase64Encoded: false, headers, ...of });
}

test('a signed delivery becomes its job in the queue, also when Lambda passes the body in base64', async () => {
  for (const of of [{}, { body: Buffer.from(opened).toString('base64'), isBase64Encoded: true }]) {
    expect(await deliver(opened, 'current', of)).toMatchObject({ statusCode: 202 });
  }
  const job = {
    v: 1,
    kind: 'pull_request',
    delivery: 'delivery-1',
    action: 'opened',
    installationId: 3,
    repository: { id: 5, owner: 'acme', name: 'shop' },
    number: 7,
  };
  expect(sent.map(({ QueueUrl, MessageBody }) => [QueueUrl, JSON.parse(MessageBody)])).toEqual([
    [environment.JOB_QUEUE_URL, job],
    [environment.JOB_QUEUE_URL, job],
  ]);
  expect(asked).toBe(1);
});

test('a delivery with another signature is refused, and costs no more than two reads of the parameters', async () => {
  for (const secret of ['wrong', '', 'current ']) {
    expect(await deliver(opened, secret || 'x')).toMatchObject({ statusCode: 401 });
  }
  const { 'x-hub-signature-256': _, ...unsigned } = { 'x-github-event': 'ping', 'x-hub-signature-256': '' };
  expect(await deliver(opened, 'current', { headers: unsigned })).toMatchObject({ statusCode: 401 });
  expect(await deliver(`${opened} `, 'current', { body: opened })).toMatchObject({ statusCode: 401 });
  expect(sent).toEqual([]);
  expect(asked).toBeLessThanOrEqual(2);
});

test('while the secret is replaced, deliveries signed with either are accepted', async () => {
  parameters['/eph/local/deploy/webhook-secret-previous'] = 'before';
  expect(await deliver(opened, 'before')).toMatchObject({ statusCode: 202 });
  expect(await deliver(opened, 'current')).toMatchObject({ statusCode: 202 });
});

test('a running function knows a replaced secret within seconds', async () => {
  expect(await deliver(opened, 'current')).toMatchObject({ statusCode: 202 });
  parameters = { '/eph/local/deploy/webhook-secret': 'next' };
  const soon = Date.now() + 6_000;
  vi.spyOn(Date, 'now').mockImplementation(() => soon);
  expect(await deliver(opened, 'next')).toMatchObject({ statusCode: 202 });
  expect(await deliver(opened, 'current')).toMatchObject({ statusCode: 401 });
});

test('a delivery that Eph does not act on is accepted and makes no job; what GitHub does not document is an error', async () => {
  const labeled = JSON.stringify({ action: 'labeled' });
  expect(await deliver(labeled, 'current')).toMatchObject({ statusCode: 202 });
  expect(
    await deliver(JSON.stringify({ action: 'opened', installation: { id: 3 } }), 'current'),
  ).toMatchObject({ statusCode: 422 });
  expect(await deliver('{', 'current')).toMatchObject({ statusCode: 400 });
  expect(sent).toEqual([]);
});

test('the bundle has what this function needs and not the whole control plane', async () => {
  expect((await stat(join(folder, 'index.mjs'))).size).toBeLessThan(500_000);
});
