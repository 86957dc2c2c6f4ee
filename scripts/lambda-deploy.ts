import { openDeployment } from '../infra/deploy/open-deployment.ts';
import { requireOutputs } from '../infra/deploy/require-outputs.ts';
import { deployFunctions } from './functions/deploy-functions.ts';
import { runCommand } from './terminal/run-command.ts';

/** `make lambda-deploy`: the functions' code alone. */
await runCommand(async (terminal) => {
  const deployment = await openDeployment(terminal);
  await requireOutputs(deployment);
  await deployFunctions(deployment);
});
