import type { Deployment } from '../../infra/deploy/deployment.ts';
import { stackName } from '../../infra/settings/settings.ts';
import { UsageError } from '../../infra/terminal/usage-error.ts';

/**
 * `make cdk-destroy`: the stack alone.
 *
 * @throws UsageError where `confirm` is not the id of this deployment
 */
export async function destroyStack(
  { terminal, tools, settings }: Deployment,
  confirm: string | undefined,
): Promise<void> {
  const id = settings.DEPLOYMENT_ID;
  const name = stackName(id);
  if (confirm !== id) {
    throw new UsageError(
      `This would delete the stack ${name} and nothing else.`,
      `make destroy removes what hangs on it too; make cdk-destroy CONFIRM=${id} does this.`,
    );
  }
  await terminal.during(name, (progress) => tools.stack.destroy(progress));
  terminal.mark('done', `${name} is gone.`);
}
