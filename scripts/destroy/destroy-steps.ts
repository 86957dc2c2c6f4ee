import type { DestroyStep } from '../../infra/deploy/deploy-step.ts';
import type { Deployment } from '../../infra/deploy/deployment.ts';
import { bucketDestroyStep } from './bucket-destroy-step.ts';
import { cloudflareDestroySteps } from './cloudflare-destroy-steps.ts';
import { environmentsDestroyStep } from './environments-destroy-step.ts';
import { githubDestroyStep } from './github-destroy-steps.ts';
import { imageDestroyStep } from './image-destroy-steps.ts';
import { logGroupsDestroyStep } from './log-groups-destroy-step.ts';
import { parametersDestroyStep } from './parameters-destroy-step.ts';
import { stackDestroyStep } from './stack-destroy-step.ts';
import { tablesDestroyStep } from './tables-destroy-step.ts';
import { workerKeyDestroyStep } from './worker-key-destroy-step.ts';

/**
 * The order in which a deployment can be removed. Environments first, as long as there are functions that take them
 * down; then the entrances for people and GitHub; then everything that CloudFormation cannot delete while it is in
 * use or not empty: the Worker's user with a key, the bucket with objects, the network with machines. The list of
 * environments comes after the stack that kept it, and parameters last, because every step before may need the tokens
 * in them.
 */
export function destroySteps(
  deployment: Deployment,
  { withCloudflare }: { withCloudflare: boolean },
): DestroyStep[] {
  return [
    environmentsDestroyStep(deployment),
    githubDestroyStep(deployment),
    ...(withCloudflare ? cloudflareDestroySteps(deployment) : []),
    workerKeyDestroyStep(deployment),
    bucketDestroyStep(deployment),
    stackDestroyStep(deployment),
    tablesDestroyStep(deployment),
    imageDestroyStep(deployment),
    logGroupsDestroyStep(deployment),
    parametersDestroyStep(deployment),
  ];
}
