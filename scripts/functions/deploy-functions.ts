import { UpdateFunctionCodeCommand, waitUntilFunctionUpdated } from '@aws-sdk/client-lambda';
import type { Deployment } from '../../infra/deploy/deployment.ts';
import { listFunctions } from '../../infra/deploy/list-functions.ts';
import { requireOutputs } from '../../infra/deploy/require-outputs.ts';
import { constructs, listHandlers, zipFunction } from './zip-function.ts';

/**
 * Uploads the functions' code without CloudFormation, which takes seconds instead of minutes for a developer of the
 * functions. The next `make deploy` restores the template's code.
 */
export async function deployFunctions(deployment: Deployment): Promise<void> {
  const { aws, terminal } = deployment;
  await requireOutputs(deployment);
  const functions = await listFunctions(deployment);
  for (const handler of await listHandlers()) {
    const construct = constructs[handler];
    const found = functions.find(({ logicalId }) => construct && logicalId.startsWith(construct));
    if (!found) {
      terminal.mark('skipped', `lambdas/handlers/${handler}: this deployment has no function for it`);
      continue;
    }
    const { name: FunctionName } = found;
    await terminal.during(FunctionName, async () => {
      const ZipFile = await zipFunction(handler);
      await aws.lambda.send(new UpdateFunctionCodeCommand({ FunctionName, ZipFile }));
      await waitUntilFunctionUpdated({ client: aws.lambda, maxWaitTime: 60 }, { FunctionName });
    });
    terminal.mark('done', `${FunctionName} runs lambdas/handlers/${handler} as it is here`);
  }
}
