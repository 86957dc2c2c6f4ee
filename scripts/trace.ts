import { join } from 'node:path';
import { openDeployment } from '../infra/deploy/open-deployment.ts';
import { type Environment, envFileOf, readEnvFile } from '../infra/settings/env-file.ts';
import { sayTrace } from './logs/say-trace.ts';
import { runCommand } from './terminal/run-command.ts';

const localSettings = join(import.meta.dirname, '..', '.local/platform.env');

/** `make trace PR=owner/repo#1`: of the running local platform, else of the deployment in `.env` or `ENV=<file>`. */
await runCommand(async (terminal) => {
  const isOther = envFileOf(process.env) !== '.env';
  const settings = !isOther && (await isLocalRunning()) ? { EPH_ENV_FILE: localSettings } : {};
  const environment: Environment = { ...process.env, ...settings };
  await sayTrace(await openDeployment(terminal, environment), process.env['PR'] ?? '', terminal.say);
});

/** One that was killed leaves its file. */
async function isLocalRunning(): Promise<boolean> {
  const { AWS_ENDPOINT_URL: aws } = await readEnvFile(localSettings, {});
  return aws !== undefined && (await fetch(aws).catch(() => undefined)) !== undefined;
}
