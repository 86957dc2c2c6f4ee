import { stackName } from '../settings/settings.ts';
import type { DeployStep } from './deploy-step.ts';
import type { StackOutputs } from './deploy-tools.ts';
import type { Deployment } from './deployment.ts';
import { requireZones } from './require-zones.ts';
import { stackSettings } from './stack-settings.ts';
import { deleteWorkerKeys } from './worker-key.ts';

/** Everything in AWS that CloudFormation makes: queue, tables, bucket, network, functions, roles. */
export function stackStep(deployment: Deployment): DeployStep {
  const { stack } = deployment.tools;
  const name = stackName(deployment.settings.DEPLOYMENT_ID);
  return {
    title: `Stack ${name}: queue, tables, bucket, network and functions in AWS`,
    async plan() {
      await requireZones(deployment);
      deployment.found.outputs = await stack.outputs();
      // If an earlier attempt was left incomplete, `diff` shows it.
      if (!deployment.found.outputs && (await stack.state()) === undefined) {
        return [`The CloudFormation stack ${name} is created (about 4 minutes).`];
      }
      const changes = await stack.diff(await stackSettings(deployment, 'plan'));
      return losesItsUser(deployment, deployment.found.outputs)
        ? [
            ...changes,
            'The Worker’s access key is deleted first; deliveries of the next minutes come again by themselves.',
          ]
        : changes;
    },
    async apply(progress) {
      const settings = await stackSettings(deployment, 'deploy');
      const before = await stack.outputs();
      if (before && (await stack.diff(settings)).length === 0) {
        deployment.found.outputs = before;
        return 'nothing to change';
      }
      if (losesItsUser(deployment, before)) await deleteWorkerKeys(deployment, before.WorkerUserName);
      deployment.found.outputs = await stack.deploy(settings, progress);
      return before ? 'updated' : 'created';
    },
  };
}

/**
 * INGRESS was changed to function-url. CloudFormation does not delete a user that has keys: it reports that the
 * update is complete and leaves the user there, with a working key that belongs to nobody.
 */
function losesItsUser(
  { settings }: Deployment,
  outputs: StackOutputs | undefined,
): outputs is StackOutputs & { WorkerUserName: string } {
  return settings.INGRESS === 'function-url' && outputs?.WorkerUserName !== undefined;
}
