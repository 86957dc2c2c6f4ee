import { GetQueueAttributesCommand, SendMessageBatchCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { clientOptions, eventually, type LocalStack, startLocalStack } from './local-stack.ts';

let stack: LocalStack;
let sqs: SQSClient;

beforeAll(async () => {
  stack = await startLocalStack();
  sqs = new SQSClient(clientOptions(stack.aws, stack.aws.credentials.root()));
});
afterAll(() => stack.close());

const nameOf = (logicalId: string) =>
  stack.aws.stack.queues.find(({ name }) => name.includes(logicalId))?.name ?? '';
const count = async (logicalId: string) => {
  const QueueUrl = stack.aws.queueUrl(nameOf(logicalId));
  const { Attributes } = await sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }));
  return (
    Number(Attributes?.['ApproximateNumberOfMessages']) +
    Number(Attributes?.['ApproximateNumberOfMessagesNotVisible'])
  );
};

test('a function gets its environment, its role and nothing of this process, and is reused while warm', async () => {
  process.env['NOT_FOR_FUNCTIONS'] = 'x';
  const first = await stack.aws.invoke('Worker', {});
  const second = await stack.aws.invoke('Worker', {});
  expect([first.cold, second.cold]).toEqual([true, false]);
  expect(second).toMatchObject({
    ok: true,
    value: {
      events: 2,
      env: {
        OVER: 'override',
        QUEUE: stack.aws.queueUrl(nameOf('Jobs')),
        AWS_ENDPOINT_URL: stack.aws.url,
        AWS_SESSION_TOKEN: expect.any(String),
      },
    },
  });
  expect(JSON.stringify(second)).not.toContain('NOT_FOR_FUNCTIONS');
});

test('two events at once run in two processes', async () => {
  const results = await Promise.all([
    stack.aws.invoke('Worker', { sleep: 100 }),
    stack.aws.invoke('Worker', { sleep: 100 }),
  ]);
  const pids = results.map((result) =>
    result.ok ? JSON.stringify(result.value).match(/"pid":(\d+)/)?.[1] : undefined,
  );
  expect(new Set(pids).size).toBe(2);
});

test('a failed event reports type and message; a dead process and a time-out can be told apart', async () => {
  expect(await stack.aws.invoke('Worker', { throw: 'no such thing' })).toMatchObject({
    ok: false,
    errorType: 'TypeError',
    errorMessage: 'no such thing',
  });
  expect(await stack.aws.invoke('Worker', { exit: 3 })).toMatchObject({
    ok: false,
    errorType: 'Runtime.ExitError',
  });
  const late = await stack.aws.invoke('Worker', { sleep: 60_000 });
  expect(late).toMatchObject({
    ok: false,
    errorType: 'Sandbox.Timedout',
    errorMessage: expect.stringContaining('timed out after 1.00 seconds'),
  });
  expect(await stack.aws.invoke('Worker', {})).toMatchObject({ ok: true });
});

test('the output of a function comes line by line', async () => {
  await stack.aws.invoke('Worker', { say: 'one\ntwo' });
  await eventually(() => stack.lines.includes('two'));
  expect(stack.lines).toContain('one');
});

test('only the failed messages of a batch come again, and after maxReceiveCount each is a dead letter', async () => {
  await sqs.send(
    new SendMessageBatchCommand({
      QueueUrl: stack.aws.queueUrl(nameOf('Jobs')),
      Entries: ['good', 'bad', 'fine'].map((MessageBody) => ({ Id: MessageBody, MessageBody })),
    }),
  );
  await eventually(async () => (await count('Dead')) === 1, 8_000);
  const seen = stack.lines
    .filter((line) => line.startsWith('batch'))
    .flatMap((line) => line.split(' ').slice(1));
  expect(seen.sort()).toEqual(['bad#1', 'bad#2', 'fine#1', 'good#1']);
  expect(await count('Jobs')).toBe(0);
});

test('a rule runs now, with its own input', async () => {
  const [result] = await stack.aws.runSchedule('Hourly');
  expect(result).toMatchObject({ ok: true, value: { task: 'compare' } });
});
