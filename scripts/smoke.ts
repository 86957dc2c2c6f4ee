import { openDeployment } from '../infra/deploy/open-deployment.ts';
import { runSmoke } from './smoke/run-smoke.ts';
import { runCommand } from './terminal/run-command.ts';

/** `make smoke`. */
await runCommand(async (terminal) => runSmoke(await openDeployment(terminal)));
