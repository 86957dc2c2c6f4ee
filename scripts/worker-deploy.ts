import { applySteps } from './deploy/apply-steps.ts';
import { openDeployment } from './deploy/open-deployment.ts';
import { refuseOtherHome } from './deploy/refuse-other-home.ts';
import { requireOutputs } from './deploy/require-outputs.ts';
import { workerStep } from './deploy/worker-step.ts';
import { runCommand } from './terminal/run-command.ts';

/** `make worker-deploy`: the Worker alone, if it or its settings changed. */
await runCommand(async (terminal) => {
  const deployment = await openDeployment(terminal);
  await requireOutputs(deployment);
  await refuseOtherHome(deployment);
  await applySteps(deployment, [workerStep(deployment)]);
});
