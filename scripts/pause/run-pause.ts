import { InvokeCommand } from '@aws-sdk/client-lambda';
import type { Pause } from '#core/pause';
import type { Deployment } from '../../infra/deploy/deployment.ts';
import { requireOutputs } from '../../infra/deploy/require-outputs.ts';
import { OperatorError } from '../../infra/terminal/operator-error.ts';

/**
 * Sets the pause of a deployment (`lambdas/core/pause.ts`), and wakes all environments so that they act at once. Safe
 * to repeat: an environment that was not woken sees it at its next reconcile, within the hour.
 *
 * @throws OperatorError when nothing is deployed, or the environments could not be woken
 */
export async function setPause(deployment: Deployment, pause: Pause): Promise<void> {
  const { CleanupFunctionName } = await requireOutputs(deployment);
  if (!CleanupFunctionName) {
    throw new OperatorError(
      'The stack that is deployed is older than this command: it does not name its cleanup function.',
      'make deploy brings it up to date.',
    );
  }
  await deployment.parameters.write(deployment.names.paused, pause);
  const problem = await wakeAll(deployment, CleanupFunctionName);
  if (problem === undefined) return;
  throw new OperatorError(
    `The word is given, but not all environments could be woken: ${problem}`,
    'The same command again wakes them; those that were missed follow within the hour.',
  );
}

/** The reason of a failure; undefined after a success. */
async function wakeAll({ aws }: Deployment, FunctionName: string): Promise<string | undefined> {
  const Payload = new TextEncoder().encode(JSON.stringify({ task: 'wake-all' }));
  try {
    const answer = await aws.lambda.send(new InvokeCommand({ FunctionName, Payload }));
    return answer.FunctionError ? new TextDecoder().decode(answer.Payload) : undefined;
  } catch (error) {
    // A stack that could not be deleted still names a function that was deleted first.
    if (error instanceof Error && error.name === 'ResourceNotFoundException') {
      return `the function ${FunctionName} is gone.`;
    }
    throw error;
  }
}

/** `make pause`. With `sleep`, running environments are switched off too. */
export async function runPause(deployment: Deployment, { sleep }: { sleep: boolean }): Promise<void> {
  const { terminal } = deployment;
  await setPause(deployment, sleep ? 'everything' : 'launches');
  terminal.mark('done', `${nameOf(deployment)} is paused: no host is launched or started.`);
  terminal.print(
    sleep
      ? '  Running hosts are being switched off; their disks and addresses stay, and each pull request is told.'
      : '  Running previews serve on and take pushes, what is asleep stays asleep; make pause SLEEP=1 switches all off.',
  );
  terminal.print('  Closing a pull request still removes everything of it. make resume ends the pause.');
}

/** `make resume`. */
export async function runResume(deployment: Deployment): Promise<void> {
  const { terminal } = deployment;
  await setPause(deployment, 'no');
  terminal.mark('done', `${nameOf(deployment)} goes on.`);
  terminal.print('  What waited for a host gets one; what is asleep starts again on the same disk.');
}

function nameOf({ settings }: Deployment): string {
  return `Eph "${settings.DEPLOYMENT_ID}"`;
}
