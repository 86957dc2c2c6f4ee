/**
 * Addresses of functions (`AWS::Lambda::Url` with `AuthType: NONE`): open to everybody, like those of Lambda.
 *
 * Gotchas
 * - At AWS each is a host name; here it is the first part of the path, and the event does not contain it.
 * - Without both permissions in the template Lambda answers everybody with 403, also those who know the address
 *   (https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html).
 * - If a function throws, the caller gets a 502 without a reason.
 */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { LambdaFunctionURLEvent } from 'aws-lambda';
import * as v from 'valibot';
import { type WireLog, wireBody, wireQuery } from '../wire-log.ts';
import type { LambdaRuntime } from './lambda-runtime.ts';
import { listenOn } from './listen-on.ts';
import type { FunctionUrlDescription } from './template-functions.ts';

/** https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html */
const MAX_BODY_BYTES = 6 * 1024 * 1024;

export interface FunctionUrls {
  of(functionName: string): string;
  close(): Promise<void>;
}

export interface FunctionUrlsOptions {
  /** The functions that are deployed now. */
  urls(): readonly FunctionUrlDescription[];
  runtime: Pick<LambdaRuntime, 'invoke'>;
  wireLog: WireLog;
  now: () => number;
}

interface UrlReply {
  status: number;
  headers: Record<string, string>;
  body: Buffer;
}

export async function startFunctionUrls(options: FunctionUrlsOptions): Promise<FunctionUrls> {
  const server = createServer((incoming, response) => {
    handle(options, incoming, response).catch((error: unknown) => {
      console.error('function address:', error);
      response.destroy();
    });
  });
  const port = await listenOn(server, '127.0.0.1', 0);
  return {
    of: (functionName) => `http://127.0.0.1:${port}/${functionName}/`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function handle(
  options: FunctionUrlsOptions,
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const t = options.now();
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  const address = new URL(incoming.url ?? '/', 'http://function');
  const reply = await replyTo(options, incoming, address, body);
  options.wireLog.record({
    t,
    peer: 'lambda',
    method: incoming.method ?? 'GET',
    path: address.pathname,
    query: wireQuery(address.searchParams),
    request: wireBody(body),
    status: reply.status,
    reply: wireBody(reply.body),
  });
  response.writeHead(reply.status, { ...reply.headers, 'content-length': String(reply.body.byteLength) });
  response.end(reply.body);
}

async function replyTo(
  { urls, runtime, now }: FunctionUrlsOptions,
  incoming: IncomingMessage,
  address: URL,
  body: Buffer,
): Promise<UrlReply> {
  const [, name = '', ...rest] = address.pathname.split('/');
  const url = urls().find(({ functionName }) => functionName === name);
  if (!url?.open) return refusal(403, 'Forbidden');
  if (body.byteLength > MAX_BODY_BYTES) return refusal(413, 'Request Entity Too Large');
  const event = eventOf(
    incoming,
    { path: `/${rest.join('/')}`, query: address.search.slice(1) },
    body,
    now(),
  );
  const result = await runtime.invoke(name, event);
  return (result.ok && answerOf(result.value)) || refusal(502, 'Internal Server Error');
}

function refusal(status: number, Message: string): UrlReply {
  const headers = { 'content-type': 'application/json' };
  return { status, headers, body: Buffer.from(JSON.stringify({ Message })) };
}

/** Payload format 2.0. */
function eventOf(
  { method = 'GET', headers, socket }: IncomingMessage,
  { path, query }: { path: string; query: string },
  body: Buffer,
  at: number,
): LambdaFunctionURLEvent {
  const text = /^(text\/|application\/(json|javascript|xml)\b)/.test(headers['content-type'] ?? '');
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath: path,
    rawQueryString: query,
    headers: Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, [value ?? ''].flat().join(',')]),
    ),
    requestContext: {
      accountId: 'anonymous',
      apiId: 'local',
      domainName: headers.host ?? '',
      domainPrefix: 'local',
      http: {
        method,
        path,
        protocol: 'HTTP/1.1',
        sourceIp: socket.remoteAddress ?? '',
        userAgent: headers['user-agent'] ?? '',
      },
      requestId: randomUUID(),
      routeKey: '$default',
      stage: '$default',
      time: new Date(at).toUTCString(),
      timeEpoch: at,
    },
    ...(body.byteLength > 0 && { body: body.toString(text ? 'utf8' : 'base64') }),
    isBase64Encoded: body.byteLength > 0 && !text,
  };
}

const answerSchema = v.looseObject({
  statusCode: v.number(),
  headers: v.optional(v.record(v.string(), v.pipe(v.unknown(), v.transform(String))), {}),
  body: v.optional(v.string(), ''),
  isBase64Encoded: v.optional(v.boolean(), false),
});

/** A value without a status code is the body of a 200. */
function answerOf(value: unknown): UrlReply | undefined {
  if (typeof value !== 'object' || value === null || !('statusCode' in value)) {
    const headers = { 'content-type': 'application/json' };
    return { status: 200, headers, body: Buffer.from(JSON.stringify(value ?? null)) };
  }
  const parsed = v.safeParse(answerSchema, value);
  if (!parsed.success) return undefined;
  const { statusCode, headers, body, isBase64Encoded } = parsed.output;
  return { status: statusCode, headers, body: Buffer.from(body, isBase64Encoded ? 'base64' : 'utf8') };
}
