import type { Stack } from '@aws-sdk/client-cloudformation';
import { OperatorError } from '../terminal/operator-error.ts';

/**
 * States of a stack in which CloudFormation accepts no update, each with the way to repair it. In every other state,
 * ROLLBACK_COMPLETE included (CDK deletes it and begins again), a deploy may continue.
 * https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html
 */
export function refuseState(
  { StackName = '', StackStatus, StackStatusReason }: Stack,
  region: string,
  intent: 'deploy' | 'destroy' = 'deploy',
): void {
  const reason = StackStatusReason ? ` (${StackStatusReason})` : '';
  const error = (what: string, fix: string) =>
    new OperatorError(`The stack ${StackName} ${what}${reason}.`, fix);
  const cli = (command: string) =>
    `aws cloudformation ${command} --stack-name ${StackName} --region ${region}`;

  if (!StackStatus || StackStatus === 'REVIEW_IN_PROGRESS') return;
  if (StackStatus.endsWith('_IN_PROGRESS')) {
    throw error(
      `is being changed right now: ${StackStatus}`,
      'Another deploy is at work, or CloudFormation still rolls back. Wait until it is done, then run the same command again.',
    );
  }
  // A stack in any of the following states can still be deleted.
  if (intent === 'destroy') return;
  if (StackStatus === 'UPDATE_ROLLBACK_FAILED') {
    throw error(
      'could not be brought back to where it was',
      `${cli('continue-update-rollback')}, then make deploy again. What failed is told by ${cli('describe-stack-events')}`,
    );
  }
  if (StackStatus === 'ROLLBACK_FAILED' || StackStatus === 'DELETE_FAILED') {
    throw error(
      `was only partly removed: ${StackStatus}`,
      `make destroy (it says what is in the way), or ${cli('delete-stack')}, then make deploy again.`,
    );
  }
}
