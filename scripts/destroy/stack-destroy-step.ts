import type { DestroyStep } from '../../infra/deploy/deploy-step.ts';
import type { Deployment } from '../../infra/deploy/deployment.ts';

export function stackDestroyStep({ settings, tools, found }: Deployment): DestroyStep {
  const name = `eph-${settings.DEPLOYMENT_ID}`;
  return {
    title: `CloudFormation stack ${name}`,
    async list() {
      const state = await tools.stack.state();
      return state === undefined ? [] : [`${name} (${state})`];
    },
    async remove(progress) {
      await tools.stack.destroy(progress);
      found.outputs = undefined;
    },
  };
}
