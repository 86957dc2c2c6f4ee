import { expect, test } from 'vitest';
import { startLocalStack, template } from './local-stack.ts';

const { Resources } = template;
const started = (change: object) => startLocalStack({ template: { Resources: { ...Resources, ...change } } });

test('a bucket cannot notify a queue whose policy does not let S3 send', async () => {
  const { ReportsPolicy: _, ...rest } = Resources;
  await expect(startLocalStack({ template: { Resources: rest } })).rejects.toThrow(
    /policy of queue reports does not let s3.amazonaws.com send/,
  );
});

test('a function may not read a queue without a right of its role', async () => {
  const Reports = {
    ...Resources.FromJobs,
    Properties: { ...Resources.FromJobs.Properties, EventSourceArn: { 'Fn::GetAtt': ['Dead', 'Arn'] } },
  };
  await expect(started({ FromDead: Reports })).rejects.toThrow(
    /does not have permissions to call ReceiveMessage on SQS/,
  );
});

test('a queue must hide a message for longer than its function may run', async () => {
  const Worker = { ...Resources.Worker, Properties: { ...Resources.Worker.Properties, Timeout: 60 } };
  await expect(started({ Worker })).rejects.toThrow(
    'Queue visibility timeout: 1 seconds is less than Function timeout: 60 seconds',
  );
});

test('a rule without the right to invoke is refused', async () => {
  const { MayFire: _, ...rest } = Resources;
  const stack = await startLocalStack({ template: { Resources: rest } });
  await expect(stack.aws.runSchedule('Hourly')).rejects.toThrow(
    /no AWS::Lambda::Permission for events.amazonaws.com/,
  );
  await stack.close();
});
