import { accessStep } from '../infra/deploy/access-step.ts';
import { openDeployment } from '../infra/deploy/open-deployment.ts';
import { stackSettings } from '../infra/deploy/stack-settings.ts';
import { stackName } from '../infra/settings/settings.ts';
import { OperatorError } from '../infra/terminal/operator-error.ts';
import { runCommand } from './terminal/run-command.ts';

/** `make cdk-diff`, `cdk-deploy`, `cdk-destroy`: the stack alone, with the settings that a deploy gives it. */
await runCommand(async (terminal) => {
  const deployment = await openDeployment(terminal);
  const { stack } = deployment.tools;
  const name = stackName(deployment.settings.DEPLOYMENT_ID);
  /** Looks up the audience of the Access application that is there. */
  const settings = async (intent: 'plan' | 'deploy') => {
    await accessStep(deployment).plan();
    return stackSettings(deployment, intent);
  };
  switch (process.argv[2]) {
    case 'diff': {
      const changes = await terminal.during(name, async () => stack.diff(await settings('plan')));
      for (const change of changes) terminal.say(change);
      terminal.mark('done', `${name}: ${changes.length === 0 ? 'no changes' : `${changes.length} changes`}`);
      return;
    }
    case 'deploy': {
      const outputs = await terminal.during(name, async (progress) =>
        stack.deploy(await settings('deploy'), progress),
      );
      for (const [key, value] of Object.entries(outputs)) terminal.say(`${key} = ${value}`);
      return;
    }
    case 'destroy': {
      const fix = `make destroy removes what hangs on it too; CONFIRM=${deployment.settings.DEPLOYMENT_ID} make cdk-destroy does this.`;
      if (process.env['CONFIRM'] !== deployment.settings.DEPLOYMENT_ID) {
        throw new OperatorError(`This would delete the stack ${name} and nothing else.`, fix);
      }
      await terminal.during(name, (progress) => stack.destroy(progress));
      terminal.mark('done', `${name} is gone.`);
      return;
    }
    default:
      throw new OperatorError('Say what: make cdk-diff, make cdk-deploy or make cdk-destroy.');
  }
});
