import type { DeployStep } from './deploy-step.ts';
import type { Deployment } from './deployment.ts';
import { stackSettings } from './stack-settings.ts';

/** Everything in AWS that CloudFormation makes: queue, tables, bucket, network, functions, roles. */
export function stackStep(deployment: Deployment): DeployStep {
  const { stack } = deployment.tools;
  const name = `eph-${deployment.settings.DEPLOYMENT_ID}`;
  return {
    title: `Stack ${name}: queue, tables, bucket, network and functions in AWS`,
    async plan() {
      deployment.found.outputs = await stack.outputs();
      // One that an earlier attempt left half made says so in `diff`.
      if (!deployment.found.outputs && (await stack.state()) === undefined) {
        return [`The CloudFormation stack ${name} is created (about 4 minutes).`];
      }
      return stack.diff(await stackSettings(deployment, 'plan'));
    },
    async apply(progress) {
      const settings = await stackSettings(deployment, 'deploy');
      const before = await stack.outputs();
      if (before && (await stack.diff(settings)).length === 0) {
        deployment.found.outputs = before;
        return 'nothing to change';
      }
      deployment.found.outputs = await stack.deploy(settings, progress);
      return before ? 'updated' : 'created';
    },
  };
}
