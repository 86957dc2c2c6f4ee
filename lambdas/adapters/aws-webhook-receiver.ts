import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { GetParametersCommand, SSMClient } from '@aws-sdk/client-ssm';
import { encodeWireJob } from '#core/job';
import type { WebhookReceiver } from '../receive-delivery.ts';

export interface WebhookReceiverSettings {
  queueUrl: string;
  secretParameter: string;
  /** It exists only during a rotation. */
  previousSecretParameter: string;
  now(): number;
}

/** A stranger's request can make Eph read the parameters again, but not more often than this. */
const AGAIN_AFTER_MS = 5_000;
/** The Worker waits 1.6 s for an attempt and makes three. */
const calm = { maxAttempts: 2, requestHandler: { connectionTimeout: 1_000, requestTimeout: 3_000 } };

export function awsWebhookReceiver(settings: WebhookReceiverSettings): WebhookReceiver {
  const sqs = new SQSClient(calm);
  const ssm = new SSMClient(calm);
  let known: { secrets: string[]; at: number } | undefined;

  async function read(): Promise<string[]> {
    const Names = [settings.secretParameter, settings.previousSecretParameter];
    const { Parameters = [] } = await ssm.send(new GetParametersCommand({ Names, WithDecryption: true }));
    const secrets = Parameters.flatMap(({ Value }) => Value || []);
    if (secrets.length === 0)
      throw new Error(
        `${settings.secretParameter} does not exist: make setup stores the webhook secret there.`,
      );
    return secrets;
  }

  return {
    async secrets(again) {
      const now = settings.now();
      if (!known || (again && now - known.at >= AGAIN_AFTER_MS)) known = { secrets: await read(), at: now };
      return known.secrets;
    },
    async send(job) {
      await sqs.send(
        new SendMessageCommand({ QueueUrl: settings.queueUrl, MessageBody: encodeWireJob(job) }),
      );
    },
  };
}
