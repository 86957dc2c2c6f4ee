import { stackName } from '../settings/settings.ts';
import { OperatorError } from '../terminal/operator-error.ts';
import type { StackOutputs } from './deploy-tools.ts';
import type { Deployment } from './deployment.ts';

/** The outputs of the deployed stack. @throws OperatorError where there is none yet */
export async function requireOutputs(deployment: Deployment): Promise<StackOutputs> {
  deployment.found.outputs ??= await deployment.tools.stack.outputs();
  const { outputs } = deployment.found;
  if (outputs) return outputs;
  throw new OperatorError(
    `The stack ${stackName(deployment.settings.DEPLOYMENT_ID)} is not deployed in ${deployment.settings.AWS_REGION}.`,
    'make deploy makes it; look at DEPLOYMENT_ID and AWS_REGION if it should be there.',
  );
}
