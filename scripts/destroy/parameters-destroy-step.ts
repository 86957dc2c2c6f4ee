import type { DestroyStep } from '../../infra/deploy/deploy-step.ts';
import type { Deployment } from '../../infra/deploy/deployment.ts';

/** All parameters, secrets included: the App's key, tokens, and what make secret stored. */
export function parametersDestroyStep({ parameters, names }: Deployment): DestroyStep {
  const list = async () => (await parameters.list(`${names.path}/`)).map(({ name }) => name);
  return {
    title: `Parameters under ${names.path}, secrets included`,
    list,
    async remove() {
      await parameters.remove(await list());
    },
  };
}
