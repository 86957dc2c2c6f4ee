import type { LambdaFunctionURLEvent, LambdaFunctionURLResult } from 'aws-lambda';
import { awsWebhookReceiver } from '../adapters/aws-webhook-receiver.ts';
import { logLine } from '../log.ts';
import { receiveDelivery, type WebhookReceiver } from '../receive-delivery.ts';

let receiver: WebhookReceiver | undefined;

/** The entry for a Worker without an AWS key: it turns one unchanged delivery of GitHub into one job in the queue. */
export async function handler(event: LambdaFunctionURLEvent): Promise<LambdaFunctionURLResult> {
  receiver ??= awsWebhookReceiver({
    queueUrl: setting('JOB_QUEUE_URL'),
    secretParameter: setting('WEBHOOK_SECRET_PARAMETER'),
    previousSecretParameter: setting('WEBHOOK_SECRET_PREVIOUS_PARAMETER'),
    now: () => Date.now(),
  });
  const { body = '', isBase64Encoded, headers } = event;
  const { status, body: answer } = await receiveDelivery(
    {
      event: headers['x-github-event'] ?? '',
      id: headers['x-github-delivery'] ?? '',
      signature: headers['x-hub-signature-256'] ?? '',
      body: isBase64Encoded ? Buffer.from(body, 'base64').toString('utf8') : body,
    },
    receiver,
  );
  logLine({ level: status === 202 ? 'info' : 'warn', message: 'delivery', status, ...answer });
  return {
    statusCode: status,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(answer),
  };
}

function setting(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: make deploy sets it.`);
  return value;
}
