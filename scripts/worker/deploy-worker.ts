import { applySteps } from '../../infra/deploy/apply-steps.ts';
import type { Deployment } from '../../infra/deploy/deployment.ts';
import { requireOutputs } from '../../infra/deploy/require-outputs.ts';
import { workerStep } from '../../infra/deploy/worker-step.ts';

/** `make worker-deploy`: the Worker alone, if it or its settings changed. */
export async function deployWorker(deployment: Deployment): Promise<void> {
  await requireOutputs(deployment);
  await applySteps(deployment, [workerStep(deployment)]);
}
