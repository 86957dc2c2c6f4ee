import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ScriptAndVersionSettings } from 'cloudflare/resources/workers/scripts/script-and-version-settings';
import { Secrets } from 'cloudflare/resources/workers/scripts/secrets';
import { createClient } from 'cloudflare/tree-shakable';
import type { DeploySettings } from '../settings/deploy-settings.ts';
import type { Environment } from '../settings/env-file.ts';
import type { WorkerTool } from './deploy-tools.ts';
import { runProgram } from './run-program.ts';

const script = 'node_modules/wrangler/bin/wrangler.js';
const config = 'worker/wrangler.jsonc';

/**
 * wrangler bundles the Worker and uploads it with its settings and secrets in one step, so that no version ever runs
 * without them.
 *
 * Nothing secret is in its arguments, which every user of a machine can list: the token is in its environment, the
 * secrets are in a file of mode 0600 in a folder of its own, deleted as soon as wrangler ends.
 */
export function wranglerWorker(
  settings: Pick<DeploySettings, 'CLOUDFLARE_API_URL'>,
  environment: Environment,
): WorkerTool {
  let version: Promise<string> | undefined;

  const wrangler = (args: string[], more: Environment, onLine?: (line: string) => void) =>
    runProgram({
      name: `wrangler ${args[0]}`,
      program: { script },
      args: [...args, '--config', config],
      environment: {
        ...environment,
        CLOUDFLARE_API_BASE_URL: settings.CLOUDFLARE_API_URL,
        WRANGLER_SEND_METRICS: 'false',
        WRANGLER_HIDE_BANNER: 'true',
        // wrangler's debug log would contain what is uploaded.
        WRANGLER_WRITE_LOGS: 'false',
        CI: 'true',
        ...more,
      },
      ...(onLine && { onLine }),
    });

  const connect = (apiToken: string) =>
    createClient({
      baseURL: settings.CLOUDFLARE_API_URL,
      apiToken,
      resources: [ScriptAndVersionSettings, Secrets],
    });

  return {
    version() {
      version ??= inFolder(async (folder) => {
        await wrangler(['deploy', '--dry-run', '--outdir', folder], {});
        const bundle = await readFile(join(folder, 'index.js'));
        return createHash('sha256').update(bundle).digest('hex');
      });
      return version;
    },
    async installed({ name, accountId, apiToken }) {
      const client = connect(apiToken);
      try {
        const found = await client.workers.scripts.scriptAndVersionSettings.get(name, {
          account_id: accountId,
        });
        const bindings = found.bindings ?? [];
        return {
          vars: Object.fromEntries(
            bindings.flatMap((one) => (one.type === 'plain_text' ? [[one.name, one.text]] : [])),
          ),
          secretNames: bindings.flatMap((one) => (one.type === 'secret_text' ? [one.name] : [])),
        };
      } catch (error) {
        if (error instanceof Error && 'status' in error && error.status === 404) return undefined;
        throw error;
      }
    },
    upload: ({ name, accountId, apiToken, vars, secrets, dropSecrets }, progress) =>
      inFolder(async (folder) => {
        const file = join(folder, 'secrets.json');
        await writeFile(file, JSON.stringify(secrets), { mode: 0o600 });
        const settingsOf = Object.entries(vars).flatMap(([key, value]) => ['--var', `${key}:${value}`]);
        await wrangler(
          ['deploy', '--name', name, '--secrets-file', file, ...settingsOf],
          { CLOUDFLARE_API_TOKEN: apiToken, CLOUDFLARE_ACCOUNT_ID: accountId },
          progress,
        );
        // wrangler keeps every secret that was ever set.
        const client = connect(apiToken);
        for (const secret of dropSecrets) {
          progress(`removing ${secret}`);
          await client.workers.scripts.secrets.delete(secret, { account_id: accountId, script_name: name });
        }
      }),
    webhookUrl: (host) => `https://${host}/webhooks/github`,
  };
}

/** The folder is readable by this user alone, and deleted afterwards. */
async function inFolder<Result>(work: (folder: string) => Promise<Result>): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), 'eph-wrangler-'));
  // A second Ctrl-C ends the process at once, while the secrets are in the folder.
  const remove = () => rmSync(folder, { recursive: true, force: true });
  process.once('exit', remove);
  try {
    return await work(folder);
  } finally {
    process.off('exit', remove);
    remove();
  }
}
