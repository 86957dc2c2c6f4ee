import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { decodeJob } from '#core/job';
import app from '../../worker/index.ts';
import { MAX_BODY_BYTES } from '../../worker/read-body.ts';
import { type Delivery, delivery, env, opened, signature } from './delivery.ts';
import { type FakeSqs, fakeSqs, sqsError } from './fake-sqs.ts';

let sqs: FakeSqs;
let log: string[];

beforeEach(() => {
  sqs = fakeSqs();
  log = [];
  vi.spyOn(globalThis, 'fetch').mockImplementation(sqs.fetch);
  vi.spyOn(console, 'log').mockImplementation((line: string) => log.push(line));
});
afterEach(() => {
  vi.restoreAllMocks();
});

function endless(onPull: () => void): ReadableStream<Uint8Array> {
  return new ReadableStream({
    pull(controller) {
      onPull();
      controller.enqueue(new Uint8Array(1024 * 1024).fill(32));
    },
  });
}

async function post(of: Partial<Delivery>, bindings: Record<string, unknown> = env) {
  const request = await delivery({ event: 'pull_request', payload: opened, ...of });
  const response = await app.fetch(request, bindings);
  return { status: response.status, body: await response.json<Record<string, unknown>>() };
}

describe('a delivery of GitHub', () => {
  test('becomes a job in the queue and is answered 202 with the job', async () => {
    const { status, body } = await post({});
    expect(status).toBe(202);
    const job = {
      v: 1,
      kind: 'pull_request',
      delivery: '72d3162e-cc78-11e3-81ab-4c9367dc0958',
      action: 'opened',
      installationId: 7,
      repository: { id: 186853002, owner: 'acme', name: 'shop' },
      number: 42,
    };
    expect(body).toEqual({ ok: true, delivery: job.delivery, job });
    expect(sqs.messages).toHaveLength(1);
    const { installationId: _wire, ...rest } = job;
    const read = decodeJob(sqs.messages[0]?.MessageBody ?? '');
    expect(read).toEqual({ ok: true, job: { ...rest, access: '7' } });
  });

  test('goes through again when GitHub sends it again', async () => {
    expect((await post({})).status).toBe(202);
    expect((await post({})).status).toBe(202);
    expect(sqs.messages).toHaveLength(2);
  });

  test('gets a 202 with the reason if Eph does not act on it, and nothing is sent', async () => {
    const { status, body } = await post({ event: 'star', payload: { action: 'created' } });
    expect(status).toBe(202);
    expect(body).toEqual({
      ok: true,
      delivery: expect.any(String),
      ignored: 'star is not an event that Eph acts on',
    });
    expect(sqs.requests).toHaveLength(0);
  });

  test('leaves one line in the log, without anything secret', async () => {
    await post({});
    expect(log).toHaveLength(1);
    expect(JSON.parse(log[0] ?? '')).toMatchObject({
      delivery: '72d3162e-cc78-11e3-81ab-4c9367dc0958',
      event: 'pull_request',
      status: 202,
      job: { number: 42 },
    });
    expect(log[0]).not.toContain('sha256=');
  });

  test('gets a 422 that names the field if its payload is not what GitHub documents', async () => {
    const { status, body } = await post({ payload: { ...opened, number: 'forty-two' } });
    expect(status).toBe(422);
    expect(body['error']).toContain('The payload of pull_request is not what GitHub documents: number:');
    expect(sqs.requests).toHaveLength(0);
  });

  test('is verified over its bytes, with text beyond ASCII and a byte order mark', async () => {
    const text = `\uFEFF${JSON.stringify({ ...opened, title: 'Füße 🚀' })}`;
    const headers = { 'X-Hub-Signature-256': await signature(env.GITHUB_WEBHOOK_SECRET, text) };
    const { status, body } = await post({ body: text, headers });
    expect({ status, error: body['error'] }).toEqual({
      status: 400,
      error: 'The body is signed but is not JSON.',
    });
    expect((await post({ payload: { ...opened, title: 'Füße 🚀' } })).status).toBe(202);
  });
});

describe('the signature', () => {
  const previous = { ...env, GITHUB_WEBHOOK_SECRET_PREVIOUS: 'before' };

  test('is accepted with the current secret and, during a rotation, with the previous one', async () => {
    expect((await post({ secret: 'now' }, previous)).status).toBe(202);
    expect((await post({ secret: 'before' }, previous)).status).toBe(202);
    expect((await post({ secret: 'long ago' }, previous)).status).toBe(401);
    expect((await post({ secret: 'before' })).status).toBe(401);
    expect(sqs.messages).toHaveLength(2);
  });

  test('refuses a body with one byte altered, wherever it is, and nothing is sent', async () => {
    const bytes = new TextEncoder().encode(JSON.stringify(opened));
    for (let at = 0; at < bytes.length; at += 7) {
      const altered = bytes.slice();
      altered[at] = (altered[at] ?? 0) ^ 0x80;
      expect((await post({ body: altered })).status).toBe(401);
      altered[at] = (altered[at] ?? 0) ^ 0x81;
      expect((await post({ body: altered })).status).toBe(401);
    }
    expect(sqs.requests).toHaveLength(0);
  });

  test.each(['', 'sha256=', 'sha256=zz', 'nonsense', `sha1=${'0'.repeat(40)}`, `sha256=${'0'.repeat(63)}`])(
    'written as "%s" is refused by name, not a fault of the Worker',
    async (header) => {
      const { status, body } = await post({ headers: { 'X-Hub-Signature-256': header } });
      expect(status).toBe(header === '' ? 400 : 401);
      expect(body['error']).toContain('X-Hub-Signature-256');
      expect(sqs.requests).toHaveLength(0);
    },
  );

  test('of an empty body is refused', async () => {
    const headers = { 'X-Hub-Signature-256': await signature(env.GITHUB_WEBHOOK_SECRET, '') };
    expect((await post({ body: '', headers })).status).toBe(401);
  });
});

describe('a request that GitHub would not send', () => {
  test('gets a 415 that names its content type, and where to set it', async () => {
    const { status, body } = await post({ headers: { 'content-type': 'application/x-www-form-urlencoded' } });
    expect(status).toBe(415);
    expect(body['error']).toContain('application/json');
    expect((await post({ headers: { 'content-type': 'application/jsonp' } })).status).toBe(415);
    expect((await post({ headers: { 'content-type': 'application/json; charset=utf-8' } })).status).toBe(202);
  });

  test('gets a 400 that names the headers that are missing', async () => {
    const { status, body } = await post({ headers: { 'X-GitHub-Event': null, 'X-GitHub-Delivery': null } });
    expect(status).toBe(400);
    expect(body).toEqual({
      ok: false,
      delivery: null,
      error: 'GitHub sends X-GitHub-Event, X-GitHub-Delivery with every delivery; missing here.',
    });
  });

  test('gets a 413 before it is read if it announces more than 4 MB', async () => {
    let pulled = 0;
    const { status, body } = await post({
      body: endless(() => {
        pulled += 1;
      }),
      headers: { 'content-length': String(MAX_BODY_BYTES + 1) },
    });
    expect(status).toBe(413);
    expect(body['error']).toContain('4 MB');
    // A stream has one chunk ready before it is read.
    expect(pulled).toBeLessThanOrEqual(1);
  });

  test.each([
    ['4 MB', {}],
    ['what it announced', { 'content-length': '100' }],
  ])('that turns out to be larger than %s is 413 as soon as it is', async (_what, headers) => {
    let pulled = 0;
    const body = endless(() => {
      pulled += 1;
    });
    expect((await post({ body, headers })).status).toBe(413);
    expect(pulled).toBeLessThan(10);
    expect(sqs.requests).toHaveLength(0);
  });
});

describe('the largest pull request that GitHub can have', () => {
  /** 65,536 characters, each in the longest form that JSON allows. */
  const longest = '\\ud83d\\ude80'.repeat(65_536);
  const person = { login: 'x'.repeat(39), urls: 'x'.repeat(1_400) };
  const label = { name: '🚀'.repeat(50), description: '🚀'.repeat(100), url: 'x'.repeat(300) };
  const pull = {
    title: '🚀'.repeat(256),
    body: '<longest>',
    milestone: { description: '<longest>' },
    auto_merge: { commit_message: '<longest>' },
    labels: Array(100).fill(label),
    assignees: Array(10).fill(person),
    requested_reviewers: Array(100).fill(person),
    requested_teams: Array(100).fill(person),
  };
  const payload = {
    ...opened,
    action: 'edited',
    changes: { body: { from: '<longest>' } },
    pull_request: pull,
  };
  const text = JSON.stringify(payload).replaceAll('🚀', '\\ud83d\\ude80').replaceAll('<longest>', longest);

  test.each([
    ['with its length', { 'content-length': String(text.length) }],
    ['in pieces, without its length', { 'content-length': null }],
  ])('goes through, sent %s', async (_how, headers) => {
    expect(text.length).toBeGreaterThan(3_600_000);
    const signed = { 'X-Hub-Signature-256': await signature(env.GITHUB_WEBHOOK_SECRET, text) };
    expect((await post({ body: text, headers: { ...headers, ...signed } })).status).toBe(202);
  });
});

describe('while SQS is in trouble', () => {
  test('a fault of SQS is tried again, and the delivery succeeds', async () => {
    sqs.next(sqsError(500, 'InternalFailure'));
    sqs.next(new TypeError('Network connection lost.'));
    expect((await post({})).status).toBe(202);
    expect(sqs.requests).toHaveLength(3);
    expect(sqs.messages).toHaveLength(1);
  });

  test('a fault that stays is a 503 that names it, so that GitHub records a failed delivery', async () => {
    sqs.next(sqsError(503, 'ServiceUnavailable'), 10);
    const { status, body } = await post({});
    expect(status).toBe(503);
    expect(body).toEqual({
      ok: false,
      delivery: '72d3162e-cc78-11e3-81ab-4c9367dc0958',
      error:
        'The job was not queued: SQS answered 503 ServiceUnavailable. GitHub keeps this delivery as failed; send it again.',
    });
    expect(sqs.requests).toHaveLength(3);
  });

  test('a refusal is not repeated, because it would be refused again', async () => {
    sqs.next(sqsError(403, 'InvalidClientTokenId'), 10);
    const { status, body } = await post({});
    expect(status).toBe(503);
    expect(body['error']).toContain('403 InvalidClientTokenId');
    expect(sqs.requests).toHaveLength(1);
  });

  test('an answer that says nothing about a message does not count as success', async () => {
    sqs.next(new Response('<html>welcome to the hotel network</html>'), 10);
    expect((await post({})).status).toBe(503);
  });
});

describe('the Worker', () => {
  test('reports its health and its version', async () => {
    const response = await app.fetch(new Request('https://eph.example.workers.dev/health'), env);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ ok: true, version: '1.2.3' });
  });

  test.each(['/', '/webhooks/gitlab', '/health/deep'])('answers 404 for %s', async (path) => {
    const response = await app.fetch(new Request(`https://eph.example.workers.dev${path}`), env);
    expect(response.status).toBe(404);
    expect(await response.json()).toEqual({ ok: false, error: `There is nothing at GET ${path}.` });
  });

  test('refuses to work with a secret that has a line break at its end, and says so without the secret', async () => {
    const bindings = { ...env, GITHUB_WEBHOOK_SECRET: 'hunter2\n' };
    const { status, body } = await post({ secret: 'hunter2' }, bindings);
    expect(status).toBe(500);
    expect(body['error']).toBe(
      'The Worker is not set up: GITHUB_WEBHOOK_SECRET begins or ends with white space: set it again without.',
    );
    expect(sqs.requests).toHaveLength(0);
    expect((await app.fetch(new Request('https://eph.example.workers.dev/health'), bindings)).status).toBe(
      500,
    );
  });

  test('names all missing settings at once', async () => {
    const { body } = await post(
      {},
      { ...env, AWS_REGION: undefined, SQS_QUEUE_URL: 'jobs', AWS_ACCESS_KEY_ID: '' },
    );
    expect(body['error']).toBe(
      'The Worker is not set up: SQS_QUEUE_URL is not a URL; AWS_REGION is not set; AWS_ACCESS_KEY_ID is empty.',
    );
  });
});
