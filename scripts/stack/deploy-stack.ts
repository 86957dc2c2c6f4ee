import { accessStep } from '../../infra/deploy/access-step.ts';
import type { Deployment } from '../../infra/deploy/deployment.ts';
import { stackSettings } from '../../infra/deploy/stack-settings.ts';
import { stackName } from '../../infra/settings/settings.ts';

/** `make cdk-diff`: prints what CDK would change, with the settings that a deploy gives it. */
export async function diffStack(deployment: Deployment): Promise<void> {
  const { terminal, tools, settings } = deployment;
  const name = stackName(settings.DEPLOYMENT_ID);
  const changes = await terminal.during(name, async () =>
    tools.stack.diff(await settingsOf(deployment, 'plan')),
  );
  for (const change of changes) terminal.print(change);
  terminal.mark('done', `${name}: ${changes.length === 0 ? 'no changes' : `${changes.length} changes`}`);
}

/** `make cdk-deploy`: the stack alone. */
export async function deployStack(deployment: Deployment): Promise<void> {
  const { terminal, tools, settings } = deployment;
  const outputs = await terminal.during(stackName(settings.DEPLOYMENT_ID), async (progress) =>
    tools.stack.deploy(await settingsOf(deployment, 'deploy'), progress),
  );
  for (const [key, value] of Object.entries(outputs)) terminal.print(`${key} = ${value}`);
}

/** Looks up the audience of the existing Access application. */
async function settingsOf(deployment: Deployment, intent: 'plan' | 'deploy') {
  await accessStep(deployment).plan();
  return stackSettings(deployment, intent);
}
