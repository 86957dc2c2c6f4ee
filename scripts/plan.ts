import { openDeployment } from '../infra/deploy/open-deployment.ts';
import { runPlan } from './deploy/run-deploy.ts';
import { runCommand } from './terminal/run-command.ts';

/** `make plan`: what `make deploy` would change. Reads only. */
await runCommand(async (terminal) => {
  await runPlan(await openDeployment(terminal));
});
