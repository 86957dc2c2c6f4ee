import { join } from 'node:path';
import { envFileOf, readEnvFile } from '../infra/settings/env-file.ts';
import { runAdmin } from '../scripts/program/run-admin.ts';

const localSettings = join(import.meta.dirname, '..', '.local/platform.env');

/** `make trace PR=owner/repo#1`: for the running local platform, else for the deployment in `.env` or `ENV=<file>`. */
const isOther = envFileOf(process.env) !== '.env';
const settings = !isOther && (await isLocalRunning()) ? { EPH_ENV_FILE: localSettings } : {};
await runAdmin(['trace', process.env['PR'] ?? ''], { ...process.env, ...settings });

/** A platform that was killed leaves its file behind. */
async function isLocalRunning(): Promise<boolean> {
  const { AWS_ENDPOINT_URL: aws } = await readEnvFile(localSettings, {});
  return aws !== undefined && (await fetch(aws).catch(() => undefined)) !== undefined;
}
