import {
  GetFunctionConfigurationCommand,
  UpdateFunctionConfigurationCommand,
  waitUntilFunctionUpdated,
} from '@aws-sdk/client-lambda';
import type { Deployment } from './deployment.ts';
import { listFunctions } from './list-functions.ts';

const note = ' (secrets read again at ';

/**
 * The functions keep secrets for as long as their sandbox lives, which can be hours. Any change of the configuration
 * starts new sandboxes; the description is the field whose change has no other effect.
 * https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
 */
export async function refreshFunctions(deployment: Deployment): Promise<void> {
  const { aws, now } = deployment;
  for (const { name: FunctionName } of await listFunctions(deployment)) {
    const { Description = '' } = await aws.lambda.send(new GetFunctionConfigurationCommand({ FunctionName }));
    const [plain = ''] = Description.split(note);
    await aws.lambda.send(
      new UpdateFunctionConfigurationCommand({
        FunctionName,
        Description: `${plain}${note}${new Date(now()).toISOString()})`,
      }),
    );
    await waitUntilFunctionUpdated({ client: aws.lambda, maxWaitTime: 60 }, { FunctionName });
  }
}
