import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { encodeWireJob, type WireJob } from '#core/job';
import type { QueueBindings as Bindings } from '../../worker/bindings.ts';

/** What `worker/job-queue.ts` would be with the AWS SDK; for comparison only, bundled in its place. */
export const sendLimits = { overallMs: 5_000 };
type SendResult = { ok: true; messageId: string } | { ok: false; problem: string };
const clients = new Map<string, SQSClient>();

export async function sendJob(bindings: Bindings, job: WireJob, limits = sendLimits): Promise<SendResult> {
  const client = clients.get(bindings.SQS_QUEUE_URL) ?? createClient(bindings);
  clients.set(bindings.SQS_QUEUE_URL, client);
  try {
    const sent = await client.send(
      new SendMessageCommand({ QueueUrl: bindings.SQS_QUEUE_URL, MessageBody: encodeWireJob(job) }),
      { abortSignal: AbortSignal.timeout(limits.overallMs) },
    );
    return { ok: true, messageId: sent.MessageId ?? '' };
  } catch (error) {
    return { ok: false, problem: String(error) };
  }
}

function createClient(bindings: Bindings): SQSClient {
  return new SQSClient({
    region: bindings.AWS_REGION,
    endpoint: new URL(bindings.SQS_QUEUE_URL).origin,
    credentials: { accessKeyId: bindings.AWS_ACCESS_KEY_ID, secretAccessKey: bindings.AWS_SECRET_ACCESS_KEY },
    maxAttempts: 3,
  });
}
