import { applySteps } from '../infra/deploy/apply-steps.ts';
import { openDeployment } from '../infra/deploy/open-deployment.ts';
import { requireOutputs } from '../infra/deploy/require-outputs.ts';
import { workerStep } from '../infra/deploy/worker-step.ts';
import { refuseOtherHome } from './deploy/refuse-other-home.ts';
import { runCommand } from './terminal/run-command.ts';

/** `make worker-deploy`: the Worker alone, if it or its settings changed. */
await runCommand(async (terminal) => {
  const deployment = await openDeployment(terminal);
  await requireOutputs(deployment);
  await refuseOtherHome(deployment);
  await applySteps(deployment, [workerStep(deployment)]);
});
