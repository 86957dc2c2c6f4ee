import { openDeployment } from '../infra/deploy/open-deployment.ts';
import { runSecret } from './secret/run-secret.ts';
import { runCommand } from './terminal/run-command.ts';

/** `make secret REPO=owner/repo NAME=KEY`, with LIST=1 (no NAME) or REMOVE=1. */
await runCommand(async (terminal) => {
  const { REPO, NAME, LIST, REMOVE } = process.env;
  const wish = { repository: REPO, name: NAME, list: LIST === '1', remove: REMOVE === '1' };
  await runSecret(await openDeployment(terminal), wish);
});
