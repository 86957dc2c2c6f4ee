/**
 * The emulators behind the receiver: fauxqs (SQS, S3) and dynalite (DynamoDB), both in this process and in
 * memory. They check no signature and no policy, so only the receiver may reach them: fauxqs opens no port at all,
 * dynalite a unix socket in a private directory.
 *
 * They lack these features of AWS: fauxqs StartMessageMoveTask, S3 versioning; dynalite transactions, TTL calls,
 * `ReturnValuesOnConditionCheckFailure`. What they accept and AWS refuses is refused before it reaches them:
 * `dynamodb-limits.ts`, `s3-limits.ts`, `s3-conditions.ts`.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { request as httpRequest, type Server } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildApp } from 'fauxqs';
import { errorReply, type Reply } from './aws-protocol.ts';
import { type AttributeMap, itemSize } from './dynamodb-item-size.ts';
import { beyondDynamoDb } from './dynamodb-limits.ts';
import { withConditions } from './s3-conditions.ts';
import { beyondS3, encodedListing } from './s3-limits.ts';
import type { RawRequest } from './sigv4.ts';

export interface Emulators {
  sqsAndS3(request: RawRequest): Promise<Reply>;
  dynamodb(request: RawRequest): Promise<Reply>;
  close(): Promise<void>;
}

/** Headers of the connection between client and receiver, not of the message. */
const hopHeaders = new Set(['connection', 'transfer-encoding', 'content-length', 'expect', 'keep-alive']);

export async function startEmulators(): Promise<Emulators> {
  const fauxqs = buildApp({ logger: false });
  await fauxqs.ready();
  const directory = await mkdtemp(join(tmpdir(), 'dynamodb-'));
  const socketPath = join(directory, 'socket');
  const dynalite = createDynalite();
  const underWay = new Set<Promise<void>>();
  await new Promise<void>((resolve, reject) => {
    dynalite.once('error', reject);
    dynalite.listen(socketPath, resolve);
  });

  return {
    sqsAndS3: withConditions(async (request) => {
      const refused = beyondS3(request);
      if (refused) return errorReply('s3', refused);
      const answer = await fauxqs.inject({
        method: methodOf(request.method),
        url: request.target,
        headers: forwarded(request.headers),
        ...(request.body.byteLength > 0 && { payload: Buffer.from(request.body) }),
      });
      const namesQueues = /^AmazonSQS\.(CreateQueue|GetQueueUrl|ListQueues)$/.test(
        request.headers['x-amz-target'] ?? '',
      );
      const body = namesQueues
        ? withAddress(answer.rawPayload, request.headers['host'] ?? '')
        : answer.rawPayload;
      return encodedListing(request, {
        status: answer.statusCode,
        headers: flat(answer.headers),
        body,
      });
    }),
    async dynamodb(request) {
      const refused = beyondDynamoDb(request.body);
      if (refused) return errorReply('dynamodb', refused);
      const answer = overSocket(socketPath, request);
      const ended = answer.then(
        () => void underWay.delete(ended),
        () => void underWay.delete(ended),
      );
      underWay.add(ended);
      return answer;
    },
    async close() {
      // Its long polls would otherwise hold `close` for 20 s.
      await fauxqs.close();
      // A call on a closed database throws an error that nobody can catch.
      await Promise.all(underWay);
      await new Promise<void>((resolve) => {
        dynalite.close(() => resolve());
        dynalite.closeAllConnections();
      });
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** fauxqs names queues `http://sqs.us-east-1.localhost:<port>/...`, which resolves in browsers only. */
function withAddress(body: Buffer, host: string): Buffer {
  const address = /http:\/\/sqs\.us-east-1\.localhost(:\d+)?\//g;
  return Buffer.from(body.toString('utf8').replaceAll(address, `http://${host}/`));
}

const methods = ['GET', 'HEAD', 'PUT', 'POST', 'DELETE'] as const;

function methodOf(name: string): (typeof methods)[number] {
  const method = methods.find((one) => one === name);
  if (!method) throw new Error(`no AWS service answers the method ${name}`);
  return method;
}

/**
 * dynalite is CommonJS without types. It measures an item in characters where DynamoDB counts bytes, and only
 * dynalite knows how large an update makes an item.
 */
function createDynalite(): Server {
  const require = createRequire(import.meta.url);
  const sizes: { itemSize(item: AttributeMap): number } = require('dynalite/db');
  sizes.itemSize = itemSize;
  const dynalite: (options: object) => Server = require('dynalite');
  return dynalite({ createTableMs: 0, deleteTableMs: 0, updateTableMs: 0 });
}

function overSocket(socketPath: string, request: RawRequest): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const headers = { ...forwarded(request.headers), 'content-length': String(request.body.byteLength) };
    const outgoing = httpRequest(
      { socketPath, method: request.method, path: request.target, headers },
      (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('error', reject);
        answer.on('end', () =>
          resolve({
            status: answer.statusCode ?? 502,
            headers: flat(answer.headers),
            body: Buffer.concat(chunks),
          }),
        );
      },
    );
    outgoing.on('error', reject);
    outgoing.end(request.body);
  });
}

function forwarded(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !hopHeaders.has(name)));
}

function flat(headers: Record<string, unknown>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers)
      .filter(([name, value]) => value !== undefined && (name === 'content-length' || !hopHeaders.has(name)))
      .map(([name, value]) => [name, String(value)]),
  );
}
