import { HOME } from '../../infra/deploy/aws-home.ts';
import type { Deployment } from '../../infra/deploy/deployment.ts';
import { workerScript } from '../../infra/deploy/worker-secrets.ts';
import { OperatorError } from '../../infra/terminal/operator-error.ts';

/** @throws OperatorError when the Worker of this id belongs to a deployment from somewhere else */
export async function refuseOtherHome(deployment: Deployment): Promise<void> {
  const { settings, tools, envFile } = deployment;
  const script = await workerScript(deployment).catch((error: unknown) => {
    // Without a token nothing at Cloudflare is changed; a step that needs one reports that it is missing.
    if (error instanceof OperatorError) return undefined;
    throw error;
  });
  const there = script && (await tools.worker.installed(script))?.vars[HOME];
  const here = await deployment.home();
  if (there === undefined || there === here) return;
  throw new OperatorError(
    `This Cloudflare account has a deployment "${settings.DEPLOYMENT_ID}" already, run from AWS ${there}; these settings are for AWS ${here}.`,
    `Another DEPLOYMENT_ID in ${envFile} makes a second one; AWS_PROFILE and AWS_REGION of the first go on with it.`,
  );
}
