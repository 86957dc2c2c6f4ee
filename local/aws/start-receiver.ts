/**
 * The one address of AWS on the local platform (`AWS_ENDPOINT_URL`): every service, one HTTP server.
 *
 * A request goes through these steps: read completely -> signature checked (service from its credential scope) ->
 * fault, if one is requested -> every right it needs looked up in the principal's policies -> answered by its service
 * -> wire log. The emulators behind it (`emulators.ts`) check nothing themselves.
 *
 * Gotchas
 * - GET or HEAD of an object that does not exist is 404 only for those who may list the bucket; for others S3 answers
 *   403, so that they cannot find out.
 * - Queue URLs are `<receiver>/000000000000/<name>`, with the caller's Host header.
 * - Presigned addresses work (signature in the query).
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type WireLog, wireBody, wireQuery } from '../wire-log.ts';
import { AwsError } from './aws-error.ts';
import {
  accessDenied,
  authenticationError,
  type Call,
  errorReply,
  guessService,
  isServiceName,
  type Reply,
  readCall,
  type ServiceName,
} from './aws-protocol.ts';
import { type Fault, type Faults, faultStatus } from './faults.ts';
import { type AccessRequest, type Context, evaluate, type Statement } from './iam.ts';
import type { Keyring, Principal } from './keyring.ts';
import { listenOn } from './listen-on.ts';
import { type RawRequest, readSignature, splitTarget } from './sigv4.ts';

export interface ReceiverOptions {
  now: () => number;
  keyring: Keyring;
  wireLog: WireLog;
  /** By `<service>.<Operation>`, e.g. `sqs.SendMessage`, `s3.PutObject`. */
  faults: Faults;
  /** The rights that a call needs; the resource policies of what it touches are part of them. */
  neededGrants(call: Call): AccessRequest[];
  /** Statements in the resource's own policy (queue, bucket) that apply to everybody. */
  resourcePolicy(resource: string): readonly Statement[];
  answer(call: Call, principal: Principal): Promise<Reply>;
  port?: number;
  alsoListenOn?: readonly string[];
}

export interface Receiver {
  url: string;
  close(): Promise<void>;
}

export async function startReceiver(options: ReceiverOptions): Promise<Receiver> {
  const handle = createHandler(options);
  const listener = (request: IncomingMessage, response: ServerResponse) => {
    handle(request, response).catch((error: unknown) => {
      // This is a defect of the platform itself; the client gets an answer that makes it retry.
      console.error('receiver:', error);
      if (!response.headersSent) response.writeHead(500);
      response.end();
    });
  };
  const create = () => {
    const server = createServer(listener);
    // Longer than clients keep their connections: one that is closed just as it is used again is a failed call.
    server.keepAliveTimeout = 120_000;
    return server;
  };
  const first = create();
  const port = await listenOn(first, '127.0.0.1', options.port ?? 0);
  const others = (options.alsoListenOn ?? []).map(create);
  await Promise.all(
    others.map((server, index) => listenOn(server, options.alsoListenOn?.[index] ?? '', port)),
  );
  return {
    url: `http://127.0.0.1:${port}`,
    async close() {
      const closing = [first, ...others].map((server) => {
        server.closeAllConnections();
        return new Promise((resolve) => server.close(resolve));
      });
      await Promise.all(closing);
    },
  };
}

function createHandler(options: ReceiverOptions) {
  return async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const t = options.now();
    const request = await readRequest(incoming);
    const signature = readSignature(request);
    const named = signature && isServiceName(signature.service) ? signature.service : undefined;
    const service = named ?? guessService(request);
    const reply = await replyTo(options, request, service);
    record(options.wireLog, { t, service, request, reply });
    if (reply === 'drop') {
      response.destroy();
      return;
    }
    // For HEAD it is the object's length, for other methods the length of the body.
    const length =
      request.method === 'HEAD' ? reply.headers['content-length'] : String(reply.body.byteLength);
    response.writeHead(reply.status, {
      ...reply.headers,
      ...(length !== undefined && { 'content-length': length }),
    });
    response.end(request.method === 'HEAD' ? undefined : reply.body);
  };
}

async function replyTo(
  options: ReceiverOptions,
  request: RawRequest,
  service: ServiceName,
): Promise<Reply | 'drop'> {
  try {
    const signature = readSignature(request);
    if (service === 's3' && signature?.presigned === false && !request.headers['x-amz-content-sha256']) {
      throw new AwsError('InvalidRequest', 'Missing required header for this request: x-amz-content-sha256');
    }
    const principal = options.keyring.authenticate(request, signature);
    if (typeof principal === 'string') throw authenticationError(service, principal);
    const call = readCall(service, request);
    const fault = options.faults.take(`${service}.${call.operation}`);
    if (fault?.delayMs) await new Promise((resolve) => setTimeout(resolve, fault.delayMs));
    if (fault && fault.when !== 'after') return faultReply(service, fault);
    authorize(options, call, principal);
    const reply = hideMissingObject(options, call, principal, await options.answer(call, principal));
    return fault ? faultReply(service, fault) : reply;
  } catch (error) {
    if (error instanceof AwsError) return errorReply(service, error, request.method === 'HEAD');
    throw error;
  }
}

function faultReply(service: ServiceName, fault: Fault): Reply | 'drop' {
  if (fault.code === 'drop') return 'drop';
  return errorReply(
    service,
    new AwsError(fault.code, fault.message ?? `${fault.code} (asked for)`, faultStatus(fault)),
  );
}

function authorize(options: ReceiverOptions, call: Call, principal: Principal): void {
  for (const needed of options.neededGrants(call)) {
    const decision = decide(options, needed, principal);
    if (decision === 'allow') continue;
    throw accessDenied(
      call.service,
      principal.arn,
      needed.action,
      needed.resource,
      decision === 'explicit deny',
    );
  }
}

function decide(options: ReceiverOptions, needed: AccessRequest, principal: Principal) {
  const request = { ...needed, context: { ...principalContext(principal), ...needed.context } };
  // Deny statements of a queue or a bucket apply to everybody; their Allow statements are for other accounts.
  const denies = options.resourcePolicy(needed.resource).filter(({ effect }) => effect === 'Deny');
  if (evaluate(denies, request) === 'explicit deny') return 'explicit deny';
  return principal.statements === 'root' ? 'allow' : evaluate(principal.statements, request);
}

function principalContext(principal: Principal): Context {
  return {
    'aws:userid': principal.userId,
    'aws:PrincipalArn': principal.arn,
    'aws:PrincipalAccount': '000000000000',
    'aws:RequestedRegion': 'us-east-1',
    // The stand-in uses plain HTTP where AWS uses TLS; policies that require TLS are written for AWS.
    'aws:SecureTransport': 'true',
    ...(principal.userName && { 'aws:username': principal.userName }),
  };
}

function hideMissingObject(options: ReceiverOptions, call: Call, principal: Principal, reply: Reply): Reply {
  const reads = call.service === 's3' && (call.operation === 'GetObject' || call.operation === 'HeadObject');
  if (!reads || reply.status !== 404) return reply;
  const list = {
    action: 's3:ListBucket',
    resource: `arn:aws:s3:::${call.bucket}`,
    context: { 's3:prefix': call.key },
  };
  const decision = decide(options, list, principal);
  if (decision === 'allow') return reply;
  throw accessDenied('s3', principal.arn, list.action, `"${list.resource}"`, decision === 'explicit deny');
}

async function readRequest(incoming: IncomingMessage): Promise<RawRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk);
  const headers = Object.entries(incoming.headers).map(([name, value]) => [
    name,
    [value ?? ''].flat().join(','),
  ]);
  return {
    method: incoming.method ?? 'GET',
    target: incoming.url ?? '/',
    headers: Object.fromEntries(headers),
    body: Buffer.concat(chunks),
  };
}

function record(
  wireLog: WireLog,
  {
    t,
    service,
    request,
    reply,
  }: { t: number; service: ServiceName; request: RawRequest; reply: Reply | 'drop' },
): void {
  const { path, query } = splitTarget(request.target);
  const operation = request.headers['x-amz-target']?.split('.')[1];
  wireLog.record({
    t,
    peer: service,
    method: request.method,
    path,
    query: { ...wireQuery(new URLSearchParams(query)), ...(operation && { Action: operation }) },
    request: formServices.includes(service) ? formBody(request.body) : wireBody(request.body),
    status: reply === 'drop' ? 0 : reply.status,
    reply: reply === 'drop' ? null : wireBody(reply.body),
  });
}

const formServices: readonly ServiceName[] = ['ec2', 'sts', 'iam', 'cloudformation'];

function formBody(body: Uint8Array): Record<string, string> {
  return Object.fromEntries(new URLSearchParams(Buffer.from(body).toString('utf8')));
}
