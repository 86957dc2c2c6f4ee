import { workerName } from '../infra/cloudflare/access-names.ts';
import { openDeployment } from '../infra/deploy/open-deployment.ts';
import { readLogs } from './logs/read-logs.ts';
import { runCommand } from './terminal/run-command.ts';

/** `make logs`: PR=owner/repo#1, SINCE=1h, FOLLOW=1 (ends with Ctrl-C). */
await runCommand(async (terminal) => {
  const deployment = await openDeployment(terminal);
  process.once('SIGINT', () => process.exit(0));
  await readLogs(
    deployment,
    {
      pull: process.env['PR'],
      since: process.env['SINCE'] ?? '1h',
      follow: process.env['FOLLOW'] === '1' ? new AbortController().signal : undefined,
    },
    (line) => terminal.say(line),
  );
  terminal.say(
    `\nThe Worker's log, from now on: npx wrangler tail ${workerName(deployment.settings.DEPLOYMENT_ID)}`,
  );
});
