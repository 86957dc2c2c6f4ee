import { openDeployment } from '../infra/deploy/open-deployment.ts';
import { runCommand } from './terminal/run-command.ts';
import { sayTestToken } from './test-token/say-test-token.ts';

/** `make setup-test-token`: SHOW=1, or a pipe behind it, shows the secret. */
await runCommand(async (terminal) => {
  const show = process.env['SHOW'] === '1' || !process.stdout.isTTY;
  await sayTestToken(await openDeployment(terminal), { show });
});
