import type { SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { asEphError } from '#core/failure';
import { decodeMessage } from './decode-message.ts';
import { deliver } from './deliver.ts';
import type { Dependencies } from './reconcile/run.ts';

/**
 * Handles a batch of the queue, message by message.
 *
 * A message that cannot be read is a permanent failure: it is acknowledged and counted, or it would return for ever.
 * Any other failure leaves the message in the queue; after five failures it becomes a dead letter, and
 * the sweep then wakes its environment.
 */
export async function takeBatch(event: SQSEvent, deps: Dependencies): Promise<SQSBatchResponse> {
  const batchItemFailures: { itemIdentifier: string }[] = [];
  for (const record of event.Records) {
    try {
      await deliver(await decodeMessage(record.body, deps.ports.compute), deps);
    } catch (error) {
      const failure = asEphError(error);
      if (failure.kind === 'conflict') continue;
      deps.ports.log({
        level: 'error',
        message: failure.sentence,
        code: failure.code,
        cause: String(failure.cause),
      });
      batchItemFailures.push({ itemIdentifier: record.messageId });
    }
  }
  return { batchItemFailures };
}
