import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { EC2Client } from '@aws-sdk/client-ec2';
import { S3Client } from '@aws-sdk/client-s3';
import { SQSClient } from '@aws-sdk/client-sqs';
import { SSMClient } from '@aws-sdk/client-ssm';
import { AwsError } from '../../../local/aws/aws-error.ts';
import { errorReply, type Reply } from '../../../local/aws/aws-protocol.ts';
import type { Ec2 } from '../../../local/aws/ec2.ts';
import { answerEc2 } from '../../../local/aws/ec2-wire.ts';
import { startEmulators } from '../../../local/aws/emulators.ts';
import { createImages } from '../../../local/aws/images.ts';
import { createNetwork } from '../../../local/aws/network.ts';
import type { Ssm } from '../../../local/aws/ssm.ts';
import { answerSsm } from '../../../local/aws/ssm-wire.ts';

/** The vendors' wire without signatures and rights: only what the adapters send and receive. */
const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
const region = 'us-east-1';

interface Wire {
  url: string;
  close(): Promise<void>;
}

async function listen(answer: (request: IncomingMessage, body: Buffer) => Promise<Reply>): Promise<Wire> {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const { status, headers, body } = await answer(request, Buffer.concat(chunks));
    // The emulators have a connection of their own.
    const own = Object.entries(headers).filter(([name]) => !/^(connection|transfer-encoding)$/i.test(name));
    const sized = { ...Object.fromEntries(own), 'content-length': String(body.length) };
    response.writeHead(status, sized).end(body);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** No adapter asks for images or networks. */
const images = createImages({ now: () => 0, newId: () => '0'.repeat(17) });
const network = createNetwork([], region);

export async function startEc2Wire(ec2: Ec2): Promise<Wire & { client: EC2Client; calls: string[] }> {
  const calls: string[] = [];
  const wire = await listen(async (_request, body) => {
    const params = Object.fromEntries(new URLSearchParams(body.toString()));
    calls.push(`ec2 ${params['Action']}`);
    try {
      return answerEc2({ ec2, images, network, region }, params['Action'] ?? '', params);
    } catch (error) {
      if (error instanceof AwsError) return errorReply('ec2', error);
      throw error;
    }
  });
  const client = new EC2Client({ endpoint: wire.url, region, credentials, maxAttempts: 1 });
  return { ...wire, client, calls };
}

export async function startSsmWire(ssm: Ssm): Promise<Wire & { client: SSMClient; calls: string[] }> {
  const calls: string[] = [];
  const wire = await listen(async (request, body) => {
    const operation = String(request.headers['x-amz-target']).replace('AmazonSSM.', '');
    calls.push(operation);
    try {
      return answerSsm(
        ssm,
        operation,
        JSON.parse(body.toString()),
        (name) => `arn:aws:ssm:::parameter${name}`,
      );
    } catch (error) {
      if (error instanceof AwsError) return errorReply('ssm', error);
      throw error;
    }
  });
  const client = new SSMClient({ endpoint: wire.url, region, credentials, maxAttempts: 1 });
  return { ...wire, client, calls };
}

export interface Emulated extends Wire {
  dynamodb: DynamoDBClient;
  s3: S3Client;
  sqs: SQSClient;
  /** The calls to all three, by their names at AWS. */
  calls: string[];
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API: the method and the query name the operation. */
const s3Operations: Record<string, string> = {
  GET: 'GetObject',
  HEAD: 'HeadObject',
  'GET list': 'ListObjectsV2',
  PUT: 'PutObject',
  'POST delete': 'DeleteObjects',
  DELETE: 'DeleteObject',
};

function operationOf({ method = 'GET', url = '/', headers }: IncomingMessage): string {
  const [, service, operation] =
    /^(DynamoDB|AmazonSQS)[^.]*\.(\w+)$/.exec(String(headers['x-amz-target'])) ?? [];
  if (service) return `${service === 'DynamoDB' ? 'dynamodb' : 'sqs'} ${operation}`;
  const query = /[?&](list|delete)/.exec(url)?.[1];
  return `s3 ${s3Operations[query ? `${method} ${query}` : method]}`;
}

export async function startEmulated(): Promise<Emulated> {
  const emulators = await startEmulators();
  const calls: string[] = [];
  const wire = await listen((request, body) => {
    calls.push(operationOf(request));
    const headers = Object.fromEntries(Object.entries(request.headers).map(([k, v]) => [k, String(v)]));
    const raw = { method: request.method ?? 'GET', target: request.url ?? '/', headers, body };
    const isDynamo = headers['x-amz-target']?.startsWith('DynamoDB') === true;
    return isDynamo ? emulators.dynamodb(raw) : emulators.sqsAndS3(raw);
  });
  const options = { endpoint: wire.url, region, credentials };
  return {
    url: wire.url,
    dynamodb: new DynamoDBClient(options),
    s3: new S3Client({ ...options, forcePathStyle: true }),
    sqs: new SQSClient(options),
    calls,
    async close() {
      await wire.close();
      await emulators.close();
    },
  };
}
