import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GetQueueAttributesCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterEach, expect, test } from 'vitest';
import { clientOptions, eventually, type LocalStack, startLocalStack, template } from './local-stack.ts';

/**
 * Sends the number that it received, less one, to the queue that calls it, until it is 0; Lambda brings its own SDK.
 * A handler that sends without the SDK begins a new chain each time, as in AWS.
 */
const functionSource = `
import { SendMessageBatchCommand, SendMessageCommand, SQSClient } from '${import.meta.resolve('@aws-sdk/client-sqs')}';
const sqs = new SQSClient();
const QueueUrl = process.env.QUEUE;
export async function handler({ Records }) {
  for (const { body, attributes, messageAttributes } of Records) {
    console.log(JSON.stringify({ body, attributes, messageAttributes }));
    const left = Number(body) - 1;
    if (left < 0) continue;
    const MessageBody = String(left);
    await sqs.send(
      left % 2
        ? new SendMessageCommand({ QueueUrl, MessageBody })
        : new SendMessageBatchCommand({ QueueUrl, Entries: [{ Id: '0', MessageBody }] }),
    );
  }
}
`;

let stack: LocalStack;
let sqs: SQSClient;
let assetRoot: string;

afterEach(async () => {
  await stack.close();
  await rm(assetRoot, { recursive: true, force: true });
});

async function start(properties: object): Promise<(body: string) => Promise<unknown>> {
  assetRoot = await mkdtemp(join(tmpdir(), 'recursion-'));
  await mkdir(join(assetRoot, 'asset.f00'));
  await writeFile(join(assetRoot, 'asset.f00/index.mjs'), functionSource);
  const { Jobs, Worker, WorkerRole, FromJobs } = template.Resources;
  const statements = WorkerRole.Properties.Policies.flatMap(({ PolicyDocument }) =>
    'Statement' in PolicyDocument ? PolicyDocument.Statement : [],
  );
  const send = { Effect: 'Allow', Action: 'sqs:SendMessage', Resource: { 'Fn::GetAtt': ['Jobs', 'Arn'] } };
  const document = { Version: '2012-10-17', Statement: [...statements, send] };
  const Resources = {
    ...template.Resources,
    Jobs: {
      ...Jobs,
      Properties: {
        VisibilityTimeout: 3,
        RedrivePolicy: { ...Jobs.Properties.RedrivePolicy, maxReceiveCount: 1 },
      },
    },
    Worker: { ...Worker, Properties: { ...Worker.Properties, Timeout: 3, ...properties } },
    WorkerRole: {
      ...WorkerRole,
      Properties: { Policies: [{ PolicyName: 'Inline', PolicyDocument: document }] },
    },
    FromJobs: { ...FromJobs, Properties: { ...FromJobs.Properties, BatchSize: 1 } },
  };
  stack = await startLocalStack({ template: { Resources }, assetRoot });
  sqs = new SQSClient(clientOptions(stack.aws, stack.aws.credentials.root()));
  const QueueUrl = stack.aws.queueUrl(queueOf('Jobs'));
  return (MessageBody) => sqs.send(new SendMessageCommand({ QueueUrl, MessageBody }));
}

interface Seen {
  body: string;
  attributes: Record<string, string>;
  messageAttributes: object;
}

const queueOf = (logicalId: string) =>
  stack.aws.stack.queues.find(({ name }) => name.includes(logicalId))?.name ?? '';
async function countDead(): Promise<number> {
  const QueueUrl = stack.aws.queueUrl(queueOf('Dead'));
  const { Attributes } = await sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }));
  return Number(Attributes?.['ApproximateNumberOfMessages']);
}

const seen = (): Seen[] =>
  stack.lines.flatMap((line) => (line.startsWith('{"body"') ? [JSON.parse(line) as Seen] : []));
const lineageOf = ({ attributes }: Seen) =>
  attributes['AWSTraceHeader']?.replace(/^.*Lineage=[0-9a-f]{8}:/, '');

test('a function that calls itself is stopped after 16 times of one chain, and the message is a dead letter', async () => {
  const send = await start({});
  await send('40');
  const refused = await eventually(
    () => stack.lines.find((line) => line.includes('RecursiveInvocationException')),
    20_000,
  );
  expect(refused).toContain('1 of 1 messages failed');
  await eventually(async () => (await countDead()) === 1, 10_000);
  expect(seen()).toHaveLength(16);

  // Another message begins a chain of its own, on the same function.
  await send('1');
  await eventually(() => seen().length === 18, 10_000);
});

test("with permission in its template it continues, and each message has the number of its chain's invocations", async () => {
  const send = await start({ RecursiveLoop: 'Allow' });
  await send('20');
  await eventually(() => seen().length === 21, 20_000);
  expect(seen().map(lineageOf)).toEqual([
    undefined,
    ...Array.from({ length: 20 }, (_, index) => `${index + 1}`),
  ]);
  expect(seen().every(({ messageAttributes }) => Object.keys(messageAttributes).length === 0)).toBe(true);
});
