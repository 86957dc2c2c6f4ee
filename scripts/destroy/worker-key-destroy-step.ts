import type { DestroyStep } from '../../infra/deploy/deploy-step.ts';
import type { Deployment } from '../../infra/deploy/deployment.ts';
import { deleteWorkerKeys, listWorkerKeys } from '../../infra/deploy/worker-key.ts';

/** CloudFormation does not delete a user that has keys. */
export function workerKeyDestroyStep(deployment: Deployment): DestroyStep {
  const user = async () => (await deployment.tools.stack.outputs())?.WorkerUserName;
  const keys = async (name: string | undefined) => (name ? await listWorkerKeys(deployment, name) : []);
  return {
    title: 'Access keys of the Worker',
    list: async () => (await keys(await user())).map(({ id }) => id),
    async remove(progress) {
      const name = await user();
      if (!name) return;
      progress(name);
      await deleteWorkerKeys(deployment, name);
    },
  };
}
