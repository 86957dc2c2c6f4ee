import { CreateBucketCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import {
  CreateQueueCommand,
  DeleteMessageCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
} from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeJob } from '#core/job';
import { mailboxFiles, mailboxPrefix, type Order } from '#core/mailbox';
import { defaultPreviewConfig } from '#core/preview-config';
import { s3Mailbox } from '../../../lambdas/adapters/s3-mailbox.ts';
import { sqsJobs } from '../../../lambdas/adapters/sqs-jobs.ts';
import type { Jobs, Mailbox } from '../../../lambdas/ports.ts';
import { memoryMailbox } from '../../fakes/memory-mailbox.ts';
import { memoryQueue } from '../../fakes/memory-queue.ts';
import { type Emulated, startEmulated } from './wire-servers.ts';

const BUCKET = 'mailbox';
const ROLE = 'AROATESTHOST';
let emulated: Emulated;
let queueUrl: string;
let deadUrl: string;

beforeAll(async () => {
  emulated = await startEmulated();
  await emulated.s3.send(new CreateBucketCommand({ Bucket: BUCKET }));
  const urlOf = async (QueueName: string) =>
    (await emulated.sqs.send(new CreateQueueCommand({ QueueName }))).QueueUrl ?? '';
  queueUrl = await urlOf('jobs');
  deadUrl = await urlOf('dead');
});
afterAll(() => emulated?.close());

const order: Order = {
  v: 1,
  generation: 1,
  revision: 1,
  delivery: 'd',
  environment: '1#1',
  repository: { owner: 'acme', name: 'shop' },
  number: 1,
  branch: 'b',
  source: { kind: 'archive', sha: 'a'.repeat(40), url: 'https://x.example.com' },
  config: defaultPreviewConfig,
  hostname: 'x',
  urlTemplate: 'https://{host}',
  tunnelToken: 't',
  secrets: {},
  trusted: true,
  idleStopSeconds: 60,
};
const progress = {
  v: 1,
  generation: 1,
  revision: 1,
  at: 1,
  stage: 'planning',
  services: [],
  warnings: [],
  timings: {},
};

type Report = (instanceId: string, file: 'progress' | 'result', body: string) => Promise<void>;
const kinds: [string, () => { mailbox: Mailbox; report: Report }][] = [
  [
    'in memory',
    () => {
      const nobody = () => undefined;
      const mailbox = memoryMailbox({ roleId: ROLE, now: () => 5, onMail: nobody, onReport: nobody });
      return { mailbox, report: async (id, file, body) => mailbox.report(id, file, body) };
    },
  ],
  [
    'in S3',
    () => ({
      mailbox: s3Mailbox(emulated.s3, BUCKET, ROLE),
      async report(id, file, Body) {
        const Key = mailboxPrefix(ROLE, id) + mailboxFiles[file];
        const object = { Bucket: BUCKET, Key, Body, ContentLength: Body.length };
        await emulated.s3.send(new PutObjectCommand(object));
      },
    }),
  ],
];

describe.each(kinds)('a mailbox %s', (_where, make) => {
  it('holds reports that follow the contract, and takes any other for none', async () => {
    const { mailbox, report } = make();
    const id = 'i-00000000000000001';
    expect(await mailbox.progress(id)).toBeUndefined();
    await report(id, 'progress', JSON.stringify(progress));
    expect(await mailbox.progress(id)).toEqual(progress);
    for (const body of ['', '{', '{"v":2}', JSON.stringify({ ...progress, generation: 0 })]) {
      await report(id, 'progress', body);
      expect(await mailbox.progress(id)).toBeUndefined();
    }
    await report(id, 'result', JSON.stringify({ ...progress, warnings: ['x'.repeat(300_000)] }));
    expect(await mailbox.result(id)).toBeUndefined();
  });

  it('is listed while it holds something, and cleared with all that is in it', async () => {
    const { mailbox, report } = make();
    const [one, two] = ['i-00000000000000002', 'i-00000000000000003'] as const;
    await mailbox.mail(one, order);
    await report(one, 'progress', '{}');
    await mailbox.mail(two, order);
    expect((await mailbox.list()).map(({ instanceId }) => instanceId)).toEqual(
      expect.arrayContaining([one, two]),
    );
    await mailbox.clear(one);
    await mailbox.clear(one);
    expect((await mailbox.list()).map(({ instanceId }) => instanceId)).not.toContain(one);
    expect((await mailbox.list()).map(({ instanceId }) => instanceId)).toContain(two);
  });
});

describe('jobs in SQS', () => {
  const jobs = (): Jobs => sqsJobs(emulated.sqs, queueUrl, deadUrl);
  const receive = async () =>
    (await emulated.sqs.send(new ReceiveMessageCommand({ QueueUrl: queueUrl, WaitTimeSeconds: 0 }))).Messages;

  it('arrive as they were sent, a delayed one not before its time', async () => {
    const job = { v: 1, kind: 'wake', delivery: 'd', environment: '1#1', cause: 'due', timer: true } as const;
    await jobs().send(job, 60_000);
    expect(await receive()).toBeUndefined();
    await jobs().send(job);
    expect(decodeJob((await receive())?.[0]?.Body ?? '')).toEqual({ ok: true, job });
  });

  it('are sent ten at a time, all of them', async () => {
    const wake = (n: number) =>
      ({ v: 1, kind: 'wake', delivery: 'd', environment: `1#${n}`, cause: 'due' }) as const;
    await jobs().sendAll([]);
    await jobs().sendAll(Array.from({ length: 23 }, (_, n) => wake(n + 1)));
    const got = new Set<string>();
    for (;;) {
      const messages = await receive();
      if (!messages) break;
      for (const { Body, ReceiptHandle } of messages) {
        got.add(Body ?? '');
        await emulated.sqs.send(new DeleteMessageCommand({ QueueUrl: queueUrl, ReceiptHandle }));
      }
    }
    expect([...got].filter((body) => body.includes('1#')).length).toBeGreaterThanOrEqual(23);
  });

  it('that are dead are handed over once, and stay when they could not be handled', async () => {
    await emulated.sqs.send(new SendMessageCommand({ QueueUrl: deadUrl, MessageBody: 'one' }));
    const bodies: string[] = [];
    await expect(
      jobs().drainDeadLetters(async () => {
        throw new Error('not now');
      }),
    ).rejects.toThrow();
    await emulated.sqs.send(new SendMessageCommand({ QueueUrl: deadUrl, MessageBody: 'two' }));
    expect(await jobs().drainDeadLetters(async (body) => void bodies.push(body))).toBe(1);
    expect(bodies).toEqual(['two']);
    expect(await jobs().drainDeadLetters(async (body) => void bodies.push(body))).toBe(0);
  });
});

describe('the queue in memory', () => {
  it('shows a message again after its time-out, and calls it dead after five tries', () => {
    const clock = { at: 0 };
    const queue = memoryQueue({ now: () => clock.at, newId: () => 'id' });
    queue.push('one', 1_500);
    expect(queue.receive()).toBeUndefined();
    clock.at = 2_000;
    for (let tries = 0; tries < 5; tries += 1) {
      expect(queue.receive()?.body).toBe('one');
      expect(queue.receive()).toBeUndefined();
      clock.at += 360_000;
    }
    expect(queue.receive()).toBeUndefined();
    expect(queue.deadLetters()).toEqual(['one']);
  });
});
