import type { SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { asEphError } from '#core/failure';
import { decodeMessage } from './decode-message.ts';
import { deliver } from './deliver.ts';
import type { Dependencies } from './reconcile/run.ts';

/**
 * A batch of the queue, message by message.
 *
 * A message that cannot be read is permanent: it is acknowledged and counted, or it would come back for ever.
 * Whatever else goes wrong leaves the message in the queue; five failures end it in the dead letters, which
 * the sweep turns into looks at their environments.
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
