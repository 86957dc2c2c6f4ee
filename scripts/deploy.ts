import { openDeployment } from '../infra/deploy/open-deployment.ts';
import { runDeploy } from './deploy/run-deploy.ts';
import { stopAfterStep } from './deploy/stop-after-step.ts';
import { runSmoke } from './smoke/run-smoke.ts';
import { runCommand } from './terminal/run-command.ts';

/** `make deploy`. YES=1 or CI=true: without asking; SMOKE=0: without the walk through it at the end. */
await runCommand(async (terminal) => {
  const deployment = await openDeployment(terminal);
  await runDeploy(deployment, {
    assumeYes: process.env['YES'] === '1' || process.env['CI'] === 'true',
    smoke: process.env['SMOKE'] === '0' ? undefined : runSmoke,
    stop: stopAfterStep(terminal),
  });
});
