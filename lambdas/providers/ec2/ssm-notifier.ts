import { SendCommandCommand, type SSMClient } from '@aws-sdk/client-ssm';
import { withAwsErrors } from '../../adapters/aws-errors.ts';
import type { Notifier } from './ec2-ports.ts';

/** After this the agent has read its mailbox without a notification. Seconds; SSM's minimum is 30. */
const RING_TIMEOUT_SECONDS = 60;

/**
 * A notification is an SSM Run Command with our own document, whose only parameter is the generation: no shell
 * text, nothing secret, and harmless if it arrives twice (Run Command has no client token).
 */
export function ssmNotifier(client: SSMClient, document: string): Notifier {
  return withAwsErrors('SSM', {
    async notify(instanceId, generation) {
      try {
        await client.send(
          new SendCommandCommand({
            DocumentName: document,
            InstanceIds: [instanceId],
            Parameters: { Generation: [String(generation)] },
            TimeoutSeconds: RING_TIMEOUT_SECONDS,
            Comment: `generation ${generation}`,
          }),
        );
        return true;
      } catch (error) {
        // The agent has not registered yet, or the machine is starting or stopping.
        if (error instanceof Error && error.name === 'InvalidInstanceId') return false;
        throw error;
      }
    },
  });
}
