import { AwsClient } from 'aws4fetch';
import * as v from 'valibot';
import { encodeJob, type Job } from '#core/job';
import type { Bindings } from './bindings.ts';

export type SendResult = { ok: true; messageId: string } | { ok: false; problem: string };

/**
 * GitHub waits 10 s for an answer and does not send again by itself, so an answer must come in time to be
 * recorded as a failure that can be redelivered. An attempt that hangs is given up early enough to try twice
 * more; if it did arrive after all, the job is there twice, which is harmless.
 */
export const sendLimits = { overallMs: 5_000, attemptMs: 1_600, attempts: 3, pauseMs: 100 };

const sent = v.object({ MessageId: v.string() });
/** `__type` is `com.amazonaws.sqs#QueueDoesNotExist` or without the part before `#`. */
const refused = v.object({
  __type: v.pipe(
    v.string(),
    v.transform((type) => type.replace(/^.*#/, '')),
  ),
});
const throttled = ['RequestThrottled', 'ThrottlingException', 'KmsThrottled'];

/** Puts a job into the queue with SQS SendMessage (JSON 1.0, SigV4). Never throws and never waits longer. */
export async function sendJob(bindings: Bindings, job: Job, limits = sendLimits): Promise<SendResult> {
  const aws = new AwsClient({
    accessKeyId: bindings.AWS_ACCESS_KEY_ID,
    secretAccessKey: bindings.AWS_SECRET_ACCESS_KEY,
    region: bindings.AWS_REGION,
    service: 'sqs',
    // Its own retries know neither network errors nor a deadline.
    retries: 0,
  });
  const body = JSON.stringify({ QueueUrl: bindings.SQS_QUEUE_URL, MessageBody: encodeJob(job) });
  const overall = AbortSignal.timeout(limits.overallMs);
  let problem = `no answer within ${limits.overallMs / 1000} s`;

  for (let attempt = 1; attempt <= limits.attempts && !overall.aborted; attempt++) {
    if (attempt > 1) await scheduler.wait(limits.pauseMs * (attempt - 1));
    const signal = AbortSignal.any([overall, AbortSignal.timeout(limits.attemptMs)]);
    const outcome = await attemptToSend(aws, new URL('/', bindings.SQS_QUEUE_URL), body, signal);
    if (outcome.ok) return outcome;
    problem = outcome.problem;
    if (!outcome.again) break;
  }
  return { ok: false, problem };
}

type Attempt = { ok: true; messageId: string } | { ok: false; problem: string; again: boolean };

async function attemptToSend(aws: AwsClient, url: URL, body: string, signal: AbortSignal): Promise<Attempt> {
  try {
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
  } catch (error) {
    if (signal.aborted) return { ok: false, problem: 'SQS did not answer in time', again: true };
    const reason = error instanceof Error ? error.message : String(error);
    return { ok: false, problem: `SQS could not be reached: ${reason}`, again: true };
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
