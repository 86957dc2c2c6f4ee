import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  CreateBucketCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import {
  CreateQueueCommand,
  DeleteMessageCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
} from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeJob } from '#core/job';
import {
  MAX_CLEARED_OBJECTS,
  MAX_LOG_BYTES,
  MAX_SENTENCE_BYTES,
  MAX_WARNING_BYTES,
  MAX_WARNINGS,
  WRITE_TRIES,
} from '#core/limits';
import { defaultPreviewConfig } from '#core/preview-config';
import { sqsJobs } from '../../../lambdas/adapters/sqs-jobs.ts';
import type { Jobs } from '../../../lambdas/ports.ts';
import type { Mailbox } from '../../../lambdas/providers/ec2/ec2-ports.ts';
import { type MailboxSpec, mailboxFiles, mailboxPrefix } from '../../../lambdas/providers/ec2/mailbox.ts';
import { s3Mailbox } from '../../../lambdas/providers/ec2/s3-mailbox.ts';
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

const spec: MailboxSpec = {
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
interface Box {
  mailbox: Mailbox;
  spec(instanceId: string): Promise<MailboxSpec | undefined>;
  report: Report;
  /** Puts any objects under the prefix of a host. */
  fill(instanceId: string, names: readonly string[]): Promise<void>;
}
const kinds: [string, () => Box][] = [
  [
    'in memory',
    () => {
      const nobody = () => undefined;
      const mailbox = memoryMailbox({ roleId: ROLE, onWrite: nobody, onReport: nobody });
      return {
        mailbox,
        spec: async (id) => mailbox.spec(id),
        report: async (id, file, body) => mailbox.report(id, file, body),
        fill: async (id, names) => mailbox.fill(id, names),
      };
    },
  ],
  [
    'in S3',
    () => ({
      mailbox: s3Mailbox(emulated.s3, BUCKET, ROLE),
      async spec(id) {
        const Key = mailboxPrefix(ROLE, id) + mailboxFiles.spec;
        const { Body } = await emulated.s3.send(new GetObjectCommand({ Bucket: BUCKET, Key }));
        return JSON.parse((await Body?.transformToString()) ?? '');
      },
      async report(id, file, Body) {
        const Key = mailboxPrefix(ROLE, id) + mailboxFiles[file];
        const object = { Bucket: BUCKET, Key, Body, ContentLength: Buffer.byteLength(Body) };
        await emulated.s3.send(new PutObjectCommand(object));
      },
      async fill(id, names) {
        const left = names.values();
        const writer = async () => {
          for (const name of left) {
            const Key = mailboxPrefix(ROLE, id) + name;
            await emulated.s3.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body: 'x' }));
          }
        };
        await Promise.all(Array.from({ length: 20 }, writer));
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
    await mailbox.writeSpec(one, spec, undefined);
    await report(one, 'progress', '{}');
    await mailbox.writeSpec(two, spec, undefined);
    expect(await mailbox.list()).toEqual(expect.arrayContaining([one, two]));
    await mailbox.clear(one);
    await mailbox.clear(one);
    expect(await mailbox.list()).not.toContain(one);
    expect(await mailbox.list()).toContain(two);
  });

  it('takes each spec in the place of the one before, whatever that is', async () => {
    const { mailbox, spec: specIn } = make();
    const id = 'i-00000000000000008';
    await mailbox.clear(id);
    const generation = async () => (await specIn(id))?.generation;
    const first = await mailbox.writeSpec(id, spec, undefined);
    const second = await mailbox.writeSpec(id, { ...spec, generation: 2 }, first);
    expect(await generation()).toBe(2);
    // The objects of another are there, or none any more.
    const third = await mailbox.writeSpec(id, { ...spec, generation: 3 }, first);
    await mailbox.writeSpec(id, { ...spec, generation: 4 }, undefined);
    expect(await generation()).toBe(4);
    await mailbox.clear(id);
    await mailbox.writeSpec(id, { ...spec, generation: 5 }, third);
    expect(await generation()).toBe(5);
    expect(new Set([first, second, third]).size).toBe(3);
  });

  it('cuts what is too long in a report, and passes no half characters on', async () => {
    const { mailbox, report } = make();
    const id = 'i-00000000000000004';
    const failure = {
      code: 'exit',
      sentence: '😀'.repeat(5_000),
      log: ['first', ...Array(40).fill('é'.repeat(900)), 'last'],
    };
    const warnings = [`half \ud83d`, '漢'.repeat(1_000), ...Array(50).fill('w')];
    const body = { ...progress, sha: 'a'.repeat(40), outcome: 'failed', failure, warnings };
    await report(id, 'result', JSON.stringify(body));
    const result = await mailbox.result(id);
    expect(result?.warnings).toHaveLength(MAX_WARNINGS);
    expect(result?.warnings.slice(0, 2)).toEqual(['half �', expect.stringMatching(/^漢+…$/)]);
    expect(Buffer.byteLength(result?.warnings[1] ?? '')).toBeLessThanOrEqual(MAX_WARNING_BYTES);
    expect(result?.failure?.sentence).toMatch(/^(😀)+…$/u);
    expect(Buffer.byteLength(result?.failure?.sentence ?? '')).toBeLessThanOrEqual(MAX_SENTENCE_BYTES);
    expect(result?.failure?.log.at(-1)).toBe('last');
    expect(result?.failure?.log.at(-2)).toBe('é'.repeat(900));
    expect(Buffer.byteLength(result?.failure?.log.join('\n') ?? '')).toBeLessThanOrEqual(MAX_LOG_BYTES);
  });

  it.each(['1e300', '9007199254740993', '-1', '1.5', '"1"'])(
    'takes a report with the number %s for none: no table can keep it',
    async (number) => {
      const { mailbox, report } = make();
      const id = 'i-00000000000000005';
      const body = JSON.stringify({ ...progress, timings: { fetching: 0 } });
      await report(id, 'progress', body);
      expect(await mailbox.progress(id)).toMatchObject({ timings: { fetching: 0 } });
      await report(id, 'progress', body.replace('"fetching":0', `"fetching":${number}`));
      expect(await mailbox.progress(id)).toBeUndefined();
    },
  );

  it('is cleared of all objects, whatever a host calls them', async () => {
    const { mailbox, fill } = make();
    const id = 'i-00000000000000006';
    await fill(id, ['a b', 'a+b', 'a%20b', '<&>"\'', 'ü/漢/', 'bell\u0007', 'line\nfeed', 'x'.repeat(900)]);
    await mailbox.clear(id);
    expect(await mailbox.list()).not.toContain(id);
  });

  it('with more than S3 deletes in one call is listed as one and cleared', async () => {
    const { mailbox, fill } = make();
    const id = 'i-00000000000000007';
    await fill(
      id,
      Array.from({ length: 1_050 }, (_, n) => `junk/${n}`),
    );
    expect((await mailbox.list()).filter((other) => other === id)).toHaveLength(1);
    await mailbox.clear(id);
    expect(await mailbox.list()).not.toContain(id);
    // A thousand calls of the SDK take long on a busy machine.
  }, 120_000);
});

describe('a deployment spec on its way to S3', () => {
  const another = () =>
    new S3Client({
      endpoint: emulated.url,
      region: 'us-east-1',
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
      forcePathStyle: true,
    });

  it('does not take the place of one that was sent after it', async () => {
    const id = 'i-00000000000000009';
    const s3 = another();
    let arrive = () => {};
    const held = new Promise<void>((resolve) => {
      arrive = resolve;
    });
    s3.middlewareStack.add((next) => async (args) => {
      // The run that sent it is gone when it is refused.
      if (!('Body' in args.input)) throw new Error('ended');
      await held;
      return next(args);
    });
    const late = s3Mailbox(s3, BUCKET, ROLE).writeSpec(id, spec, undefined);
    const mailbox = s3Mailbox(emulated.s3, BUCKET, ROLE);
    await mailbox.writeSpec(id, { ...spec, generation: 2 }, undefined);
    arrive();
    await expect(late).rejects.toMatchObject({ sentence: 'S3 did not answer as expected.' });
    const Key = mailboxPrefix(ROLE, id) + mailboxFiles.spec;
    const { Body } = await emulated.s3.send(new GetObjectCommand({ Bucket: BUCKET, Key }));
    expect(await Body?.transformToString()).toContain('"generation":2');
  });

  it('is tried again in time where the mailbox changes all the time', async () => {
    const id = 'i-0000000000000000a';
    const mailbox = s3Mailbox(emulated.s3, BUCKET, ROLE);
    await mailbox.writeSpec(id, spec, undefined);
    const from = emulated.calls.length;
    const Key = mailboxPrefix(ROLE, id) + mailboxFiles.spec;
    const s3 = another();
    s3.middlewareStack.add((next) => async (args) => {
      if ('Body' in args.input)
        await emulated.s3.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body: crypto.randomUUID() }));
      return next(args);
    });
    const mailed = s3Mailbox(s3, BUCKET, ROLE).writeSpec(id, spec, undefined);
    await expect(mailed).rejects.toMatchObject({ kind: 'transient', code: 'mailbox_changes' });
    expect(emulated.calls.slice(from).filter((call) => call === 's3 HeadObject')).toHaveLength(WRITE_TRIES);
  });
});

describe('clearing a mailbox in S3', () => {
  const keys = (count: number) =>
    Array.from({ length: count }, (_, n) => `<Contents><Key>hosts/${ROLE}%3Ai-1/${n}</Key></Contents>`).join(
      '',
    );

  /** An S3 that always gives the same answers. */
  async function clearOn(answers: { list: string; deletion: string }) {
    const calls: string[] = [];
    const server = createServer((request, response) => {
      calls.push(request.method ?? '');
      request
        .resume()
        .on('end', () => response.end(request.method === 'GET' ? answers.list : answers.deletion));
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
    const s3 = new S3Client({ endpoint, region: 'us-east-1', credentials, forcePathStyle: true });
    const refused: unknown = await s3Mailbox(s3, BUCKET, ROLE)
      .clear('i-1')
      .catch((error: unknown) => error);
    s3.destroy();
    server.close();
    return { calls, refused };
  }

  it('ends after so many objects, for the step to be tried again', async () => {
    const { calls, refused } = await clearOn({
      list: `<ListBucketResult><IsTruncated>true</IsTruncated>${keys(1_000)}</ListBucketResult>`,
      deletion: '<DeleteResult></DeleteResult>',
    });
    expect(refused).toMatchObject({ kind: 'transient', code: 'mailbox_not_cleared' });
    expect(calls).toHaveLength((2 * MAX_CLEARED_OBJECTS) / 1_000);
  });

  it('is not done while S3 refuses to delete one of them, whatever the status of the answer', async () => {
    const { refused } = await clearOn({
      list: `<ListBucketResult><IsTruncated>false</IsTruncated>${keys(2)}</ListBucketResult>`,
      deletion: '<DeleteResult><Error><Key>0</Key><Code>InternalError</Code></Error></DeleteResult>',
    });
    expect(refused).toMatchObject({ kind: 'transient', sentence: expect.stringContaining('InternalError') });
  });
});

describe('the local S3', () => {
  it.each([
    ['more than 1,000 keys', Array.from({ length: 1_001 }, (_, n) => `k${n}`)],
    ['a key that XML cannot carry', ['k', 'bell\u0007']],
  ])('refuses to delete %s in one call', async (_what, keys) => {
    const Delete = { Objects: keys.map((Key) => ({ Key })) };
    const deletion = emulated.s3.send(new DeleteObjectsCommand({ Bucket: BUCKET, Delete }));
    await expect(deletion).rejects.toMatchObject({ name: 'MalformedXML' });
  });

  it('deletes 1,000 in one call', async () => {
    const Objects = Array.from({ length: 1_000 }, (_, n) => ({ Key: `k${n}` }));
    const gone = await emulated.s3.send(new DeleteObjectsCommand({ Bucket: BUCKET, Delete: { Objects } }));
    expect(gone.Deleted).toHaveLength(1_000);
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

  it('that are dead are given out once, and stay when they could not be handled', async () => {
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
  it('makes a message visible again after its timeout, and dead after five tries', () => {
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
