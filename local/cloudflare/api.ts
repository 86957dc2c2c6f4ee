/**
 * Cloudflare's API on the wire, under `/client/v4`: authentication, permissions, the rate limit, the envelope
 * `{ success, errors, messages, result, result_info }`. The state machine does the work.
 *
 * Each request is checked against Cloudflare's description before it is carried out (400 with the error, as
 * Cloudflare does), and each reply before it is sent (500: then the stand-in is wrong, not the caller).
 *
 * The rate limit is the real one, 1,200 calls in 5 minutes for all tokens together, then 429 until the window
 * is over (developers.cloudflare.com/fundamentals/api/reference/limits). Note that the official client waits
 * as long as `retry-after` says.
 */
import { type Context, Hono } from 'hono';
import { describeProblems, type OpenApiValidator } from '../openapi.ts';
import { type WireLog, wireQuery } from '../wire-log.ts';
import { type ApiCall, type ApiOperation, cloudflareOperations, isPage } from './api-operations.ts';
import type { CloudflareMachine } from './cloudflare.ts';
import { CloudflareError } from './cloudflare-error.ts';

const BASE = '/client/v4';
export const RATE_LIMIT = 1_200;
const RATE_WINDOW_MS = 300_000;

export interface ApiOptions {
  machine: CloudflareMachine;
  validator: OpenApiValidator;
  wireLog: WireLog;
  now: () => number;
}

interface Answer {
  status: number;
  body: Envelope;
  headers?: Record<string, string>;
}

interface Envelope {
  success: boolean;
  errors: { code: number; message: string }[];
  messages: never[];
  result: unknown;
  result_info?: unknown;
}

export function createApi(options: ApiOptions): Hono {
  const { machine, wireLog, now } = options;
  const countCall = createRateLimit(now);
  const app = new Hono();

  app.all('*', async (context) => {
    const t = now();
    const path = context.req.path.replace(BASE, '');
    const query = wireQuery(new URL(context.req.url).searchParams);
    const body = await readBody(context);
    let answer: Answer;
    try {
      const waitSeconds = countCall();
      answer = waitSeconds > 0 ? rateLimited(waitSeconds) : carryOut(options, context, path, query, body);
    } catch (error) {
      answer = toAnswer(error);
    }
    wireLog.record({
      t,
      peer: 'cloudflare',
      method: context.req.method,
      path,
      query,
      request: body.value ?? null,
      status: answer.status,
      reply: answer.body,
    });
    return Response.json(answer.body, {
      status: answer.status,
      headers: { 'cf-ray': machine.zoneId.slice(0, 16), ...answer.headers },
    });
  });
  return app;
}

function carryOut(
  { machine, validator }: ApiOptions,
  context: Context,
  path: string,
  query: Record<string, string | string[]>,
  body: ReadBody,
): Answer {
  const { method } = context.req;
  const token = machine.authenticate(context.req.header('authorization'), path.endsWith('/tokens/verify'));
  const found = findOperation(method, path);
  if (!context.req.path.startsWith(`${BASE}/`) || !found) {
    throw new CloudflareError(404, 7000, `No route for that URI: ${method} ${path}`);
  }
  const { operation, parameters } = found;
  if (parameters['account']) machine.requireAccount(parameters['account']);
  if (parameters['zone']) machine.getZone(parameters['zone']);
  machine.authorize(token, operation.permissions);
  if (body.problem) throw new CloudflareError(400, 6007, body.problem);
  const problems = validator.request(method, path, query, body.value);
  if (problems.length > 0) throw new CloudflareError(400, 10_005, describeProblems(problems));

  const call: ApiCall = {
    account: parameters['account'] ?? '',
    zone: parameters['zone'] ?? '',
    id: parameters['id'] ?? '',
    query: Object.fromEntries(
      Object.entries(query).map(([name, value]) => [name, [value].flat().at(-1) ?? '']),
    ),
    body: body.value,
    token,
  };
  const answer: Answer = { status: 200, body: success(operation.run(machine, call)) };
  const mistakes = validator.reply(method, path, answer.status, answer.body);
  if (mistakes.length > 0) {
    throw new Error(
      `the reply to ${method} ${path} is not as Cloudflare describes it\n${describeProblems(mistakes)}`,
    );
  }
  return answer;
}

function success(result: unknown): Envelope {
  const plain = isPage(result) ? result.items : result;
  return {
    success: true,
    errors: [],
    messages: [],
    result: plain,
    ...(isPage(result) ? { result_info: result.info } : {}),
  };
}

function toAnswer(error: unknown): Answer {
  if (error instanceof CloudflareError) {
    return { status: error.status, body: failure(error.code, error.message) };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { status: 500, body: failure(10_000, `The Cloudflare stand-in failed: ${message}`) };
}

function rateLimited(seconds: number): Answer {
  const message = 'Rate limited. Please wait and consider throttling your request speed';
  return { status: 429, body: failure(971, message), headers: { 'retry-after': String(seconds) } };
}

function failure(code: number, message: string): Envelope {
  return { success: false, errors: [{ code, message }], messages: [], result: null };
}

interface ReadBody {
  value?: unknown;
  problem?: string;
}

async function readBody(context: Context): Promise<ReadBody> {
  const text = await context.req.text();
  if (text === '') return {};
  try {
    return { value: JSON.parse(text) };
  } catch {
    return { value: text, problem: 'Malformed JSON in request body' };
  }
}

const routes = cloudflareOperations.map((operation) => ({
  operation,
  pattern: new RegExp(`^${operation.path.replace(/\{(\w+)\}/g, '(?<$1>[^/]+)')}$`),
}));

/** Fixed words win over parameters: `/tokens/verify` is not the token called "verify". */
export function findOperation(method: string, path: string) {
  const fitting = routes
    .filter(({ operation }) => operation.method === method.toLowerCase())
    .flatMap(({ operation, pattern }) => {
      const match = pattern.exec(path);
      return match ? [{ operation, parameters: match.groups ?? {} }] : [];
    });
  return fitting.toSorted((a, b) => parameterCount(a.operation) - parameterCount(b.operation))[0];
}

function parameterCount(operation: ApiOperation): number {
  return operation.path.split('{').length;
}

/** Counts a call; the seconds until the window ends if this one is too many, 0 otherwise. */
function createRateLimit(now: () => number): () => number {
  let windowEnd = 0;
  let count = 0;
  return () => {
    if (now() >= windowEnd) {
      windowEnd = now() + RATE_WINDOW_MS;
      count = 0;
    }
    count += 1;
    return count > RATE_LIMIT ? Math.ceil((windowEnd - now()) / 1_000) : 0;
  };
}
