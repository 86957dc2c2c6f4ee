import { afterEach, expect, test, vi } from 'vitest';
import type { WireJob } from '#core/job';
import { sendJob } from '../../worker/job-queue.ts';
import { sendLimits } from '../../worker/try-in-time.ts';
import { env } from './delivery.ts';
import { fakeSqs } from './fake-sqs.ts';

const job: WireJob = {
  v: 1,
  kind: 'installation',
  delivery: 'd-1',
  action: 'deleted',
  installationId: 7,
  repositoryIds: [],
};

afterEach(() => {
  vi.restoreAllMocks();
});

test('a job is one signed SendMessage in JSON 1.0 to the origin of the queue', async () => {
  const sqs = fakeSqs();
  vi.spyOn(globalThis, 'fetch').mockImplementation(sqs.fetch);
  const result = await sendJob({ ...env, SQS_QUEUE_URL: 'http://127.0.0.1:4566/000000000000/jobs' }, job);
  expect(result).toEqual({ ok: true, messageId: 'message-1' });
  const [request] = sqs.requests;
  expect(request?.url).toBe('http://127.0.0.1:4566/');
  expect(request?.method).toBe('POST');
  expect(request?.headers.get('content-type')).toBe('application/x-amz-json-1.0');
  expect(request?.headers.get('x-amz-target')).toBe('AmazonSQS.SendMessage');
  expect(request?.headers.get('authorization')).toMatch(
    /^AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE\/\d{8}\/us-east-1\/sqs\/aws4_request, SignedHeaders=host;x-amz-date;x-amz-target, Signature=[0-9a-f]{64}$/,
  );
  expect(sqs.messages).toEqual([
    { QueueUrl: 'http://127.0.0.1:4566/000000000000/jobs', MessageBody: JSON.stringify(job) },
  ]);
});

test('an attempt that hangs is given up and tried again', async () => {
  const sqs = fakeSqs();
  sqs.next('hang', 2);
  vi.spyOn(globalThis, 'fetch').mockImplementation(sqs.fetch);
  const limits = { ...sendLimits, overallMs: 2_000, attemptMs: 30, pauseMs: 1 };
  expect(await sendJob(env, job, limits)).toMatchObject({ ok: true });
  expect(sqs.requests).toHaveLength(3);
});

test('a queue that never answers is given up at the deadline, however many attempts are left', async () => {
  const sqs = fakeSqs();
  sqs.next('hang', 10);
  vi.spyOn(globalThis, 'fetch').mockImplementation(sqs.fetch);
  const startedAt = performance.now();
  const result = await sendJob(env, job, { overallMs: 80, attemptMs: 50, attempts: 10, pauseMs: 1 });
  expect(result).toEqual({ ok: false, problem: 'SQS did not answer in time' });
  expect(sqs.requests.length).toBeLessThan(4);
  expect(performance.now() - startedAt).toBeLessThan(1_000);
});

test('the deadline leaves room for all attempts and for the answer to GitHub, which waits 10 s', () => {
  const { overallMs, attemptMs, attempts, pauseMs } = sendLimits;
  expect(overallMs).toBeLessThanOrEqual(5_000);
  expect(attempts).toBe(3);
  expect(attempts * attemptMs + 3 * pauseMs).toBeLessThanOrEqual(5_100);
});
