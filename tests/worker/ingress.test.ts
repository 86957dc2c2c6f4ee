import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import app from '../../worker/index.ts';
import { delivery, env, opened } from './delivery.ts';

/** The Worker of an account without IAM users: deliveries go to a function unchanged. */
const { GITHUB_WEBHOOK_SECRET, VERSION } = env;
const ingress = { GITHUB_WEBHOOK_SECRET, VERSION, INGRESS_URL: 'https://id.lambda-url.us-east-1.on.aws/' };

let passed: Request[];
let answers: (Response | Error)[];

beforeEach(() => {
  passed = [];
  answers = [];
  vi.spyOn(console, 'log').mockImplementation(() => undefined);
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (input, init) => {
    passed.push(new Request(input, init));
    const answer = answers.shift() ?? Response.json({ ok: true }, { status: 202 });
    if (answer instanceof Error) throw answer;
    return answer;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

async function post(
  of: Partial<Parameters<typeof delivery>[0]>,
  bindings: Record<string, unknown> = ingress,
) {
  const request = await delivery({ event: 'pull_request', payload: opened, ...of });
  const sent = request.clone();
  const response = await app.fetch(request, bindings);
  return { sent, status: response.status, body: await response.json<Record<string, unknown>>() };
}

test('a delivery is passed on byte by byte, with what GitHub signed and without an AWS key', async () => {
  const { sent, status, body } = await post({});
  expect(status).toBe(202);
  expect(body).toMatchObject({ ok: true, job: { kind: 'pull_request', number: 42 } });
  expect(passed).toHaveLength(1);
  const [there] = passed;
  expect(there?.url).toBe(ingress.INGRESS_URL);
  expect(await there?.text()).toBe(await sent.text());
  for (const name of ['content-type', 'x-github-event', 'x-github-delivery', 'x-hub-signature-256']) {
    expect(there?.headers.get(name)).toBe(sent.headers.get(name));
  }
  expect(there?.headers.has('authorization')).toBe(false);
});

test('an unsigned delivery, and one that Eph does not act on, never reach the function', async () => {
  expect((await post({ secret: 'other' })).status).toBe(401);
  expect((await post({ event: 'star', payload: { action: 'created' } })).status).toBe(202);
  expect(passed).toEqual([]);
});

test('a function that fails for a moment is called again', async () => {
  answers = [new Response('', { status: 502 }), new TypeError('connection lost')];
  expect((await post({})).status).toBe(202);
  expect(passed).toHaveLength(3);
});

test('a function that refuses is not called again, and GitHub is told why', async () => {
  answers = [Response.json({ error: 'X-Hub-Signature-256 does not match the body.' }, { status: 401 })];
  const { status, body } = await post({});
  expect(status).toBe(503);
  expect(body['error']).toMatch(/The function at INGRESS_URL answered 401 .*does not match the body/);
  expect(passed).toHaveLength(1);
});

test('both ingresses at once are refused: nobody would know of a key that is left over', async () => {
  const { status, body } = await post({}, { ...env, INGRESS_URL: ingress.INGRESS_URL });
  expect(status).toBe(500);
  expect(body['error']).toContain('AWS_ACCESS_KEY_ID is set beside INGRESS_URL: remove one of the two');
  expect(body['error']).toContain('SQS_QUEUE_URL is set beside INGRESS_URL');
  expect(JSON.stringify(body)).not.toContain(env.AWS_ACCESS_KEY_ID);
  expect(passed).toEqual([]);
});

test('a Worker without an ingress names both ways to set one', async () => {
  const { status, body } = await post({}, { GITHUB_WEBHOOK_SECRET, VERSION });
  expect(status).toBe(500);
  expect(body['error']).toMatch(/SQS_QUEUE_URL is not set.*or INGRESS_URL alone/);
});

test('an invalid address is named', async () => {
  const { body } = await post({}, { ...ingress, INGRESS_URL: 'ingress' });
  expect(body['error']).toBe('The Worker is not set up: INGRESS_URL is not a URL.');
});
