import { openDeployment } from '../infra/deploy/open-deployment.ts';
import { runDestroy } from './deploy/run-destroy.ts';
import { stopAfterStep } from './deploy/stop-after-step.ts';
import { runCommand } from './terminal/run-command.ts';

/** `make destroy`: a list. `CONFIRM=<deployment id> make destroy`: everything on it is removed. */
await runCommand(async (terminal) => {
  const deployment = await openDeployment(terminal);
  await runDestroy(deployment, { confirm: process.env['CONFIRM'], stop: stopAfterStep(terminal) });
});
