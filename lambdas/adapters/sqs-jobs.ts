import {
  DeleteMessageCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import { encodeJob } from '#core/job';
import { MAX_DELAYED_WAKE } from '#core/limits';
import type { Jobs } from '../ports.ts';
import { withAwsErrors } from './aws-errors.ts';

/** https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html */
const BATCH = 10;

export function sqsJobs(client: SQSClient, queueUrl: string, deadLetterQueueUrl: string): Jobs {
  return withAwsErrors('SQS', {
    async send(job, delay = 0) {
      const seconds = Math.ceil(Math.min(delay, MAX_DELAYED_WAKE) / 1_000);
      await client.send(
        new SendMessageCommand({ QueueUrl: queueUrl, MessageBody: encodeJob(job), DelaySeconds: seconds }),
      );
    },

    async sendAll(jobs) {
      for (let from = 0; from < jobs.length; from += BATCH) {
        const Entries = jobs.slice(from, from + BATCH).map((job, index) => ({
          Id: String(index),
          MessageBody: encodeJob(job),
        }));
        const { Failed = [] } = await client.send(
          new SendMessageBatchCommand({ QueueUrl: queueUrl, Entries }),
        );
        const [first] = Failed;
        // The call itself succeeds even if single messages fail.
        if (first)
          throw new Error(`${Failed.length} messages were not taken: ${first.Code} ${first.Message}`);
      }
    },

    async drainDeadLetters(handle) {
      const { Messages } = await client.send(
        new ReceiveMessageCommand({ QueueUrl: deadLetterQueueUrl, MaxNumberOfMessages: 10 }),
      );
      for (const message of Messages ?? []) {
        await handle(message.Body ?? '');
        await client.send(
          new DeleteMessageCommand({ QueueUrl: deadLetterQueueUrl, ReceiptHandle: message.ReceiptHandle }),
        );
      }
      return Messages?.length ?? 0;
    },
  });
}
