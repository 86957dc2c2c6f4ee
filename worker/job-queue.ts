import { AwsClient } from 'aws4fetch';
import * as v from 'valibot';
import { encodeWireJob, type WireJob } from '#core/job';
import type { QueueBindings } from './bindings.ts';
import { type Attempt, type SendResult, sendLimits, tryInTime } from './try-in-time.ts';

const sent = v.object({ MessageId: v.string() });
/** `__type` is `com.amazonaws.sqs#QueueDoesNotExist`, or only the part after `#`. */
const refused = v.object({
  __type: v.pipe(
    v.string(),
    v.transform((type) => type.replace(/^.*#/, '')),
  ),
});
const throttled = ['RequestThrottled', 'ThrottlingException', 'KmsThrottled'];

/**
 * Puts a job into the queue with SQS SendMessage (JSON 1.0, SigV4). Never throws, and never waits longer than
 * `limits` say.
 */
export function sendJob(bindings: QueueBindings, job: WireJob, limits = sendLimits): Promise<SendResult> {
  const aws = new AwsClient({
    accessKeyId: bindings.AWS_ACCESS_KEY_ID,
    secretAccessKey: bindings.AWS_SECRET_ACCESS_KEY,
    region: bindings.AWS_REGION,
    service: 'sqs',
    // The client's own retries handle neither network errors nor a deadline.
    retries: 0,
  });
  const body = JSON.stringify({ QueueUrl: bindings.SQS_QUEUE_URL, MessageBody: encodeWireJob(job) });
  const url = new URL('/', bindings.SQS_QUEUE_URL);
  return tryInTime('SQS', limits, (signal) => attemptToSend(aws, url, body, signal));
}

async function attemptToSend(aws: AwsClient, url: URL, body: string, signal: AbortSignal): Promise<Attempt> {
  const response = await aws.fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': 'AmazonSQS.SendMessage' },
    body,
    signal,
  });
  const text = await response.text();
  const reply = parseJson(text);
  const message = v.safeParse(sent, reply);
  if (response.ok && message.success) return { ok: true, messageId: message.output.MessageId };
  const error = v.safeParse(refused, reply);
  const name = error.success ? error.output.__type : 'no error name';
  const again = response.status >= 500 || response.status === 429 || throttled.includes(name);
  return { ok: false, problem: `SQS answered ${response.status} ${name}`, again };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
