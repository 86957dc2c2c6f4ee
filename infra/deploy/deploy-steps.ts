import { accessStep } from './access-step.ts';
import type { DeployStep } from './deploy-step.ts';
import type { Deployment } from './deployment.ts';
import { imageStep } from './image-step.ts';
import { routeStep } from './route-step.ts';
import { secretsStep } from './secrets-step.ts';
import { stackStep } from './stack-step.ts';
import { uploadStep } from './upload-step.ts';
import { webhookHostStep } from './webhook-host-step.ts';
import { webhookUrlStep } from './webhook-url-step.ts';
import { workerStep } from './worker-step.ts';

const inOrder = [
  accessStep,
  stackStep,
  uploadStep,
  imageStep,
  secretsStep,
  workerStep,
  webhookHostStep,
  routeStep,
  webhookUrlStep,
];

/**
 * All steps of a deploy, each after those whose results it needs: Access gives the audience that functions and hosts
 * check, the stack has the bucket that the agent is put into and the network that an image is made in, the Worker
 * needs the queue and its user, a route and a host name need the Worker, and GitHub is told to deliver only when
 * there is a receiver.
 */
export function deploySteps(deployment: Deployment): DeployStep[] {
  return inOrder.map((step) => step(deployment));
}
