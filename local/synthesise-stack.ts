import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Environment } from '../infra/settings/env-file.ts';
import { parseSettings } from '../infra/settings/settings.ts';
import { cached } from './build-product.ts';
import { contentStamp } from './content-stamp.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..');

export interface SynthesisedStack {
  template: unknown;
  /** The folder with the functions' bundles. */
  assets: string;
}

const hex = (name: string, length: number) =>
  createHash('sha256').update(name).digest('hex').slice(0, length);

/**
 * Settings that differ from one start of the platform to the next, each with a placeholder that the settings' schema
 * accepts. All of them are only used as values in the functions' environment, so they are put into the finished
 * template: a synthesis needs seconds, and would be necessary for every free port.
 */
const late: Record<string, string> = {
  PREVIEW_ZONE_ID: hex('PREVIEW_ZONE_ID', 32),
  CLOUDFLARE_ACCOUNT_ID: hex('CLOUDFLARE_ACCOUNT_ID', 32),
  ACCESS_AUD: hex('ACCESS_AUD', 64),
  AGENT_SHA256: hex('AGENT_SHA256', 64),
  GITHUB_APP_ID: '700000001',
  CLOUDFLARE_API_URL: 'http://cloudflare-api-url.invalid',
  GITHUB_API_URL: 'http://github-api-url.invalid',
  PREVIEW_URL_TEMPLATE: 'http://{host}/preview-url-template',
  TERMINATE_AFTER_SECONDS: '1700001',
  IDLE_STOP_SECONDS: '1700002',
};

/**
 * The template that `infra/app.ts` makes from these settings, cdk-nag's rules included. It is kept by the content of
 * its sources and settings, so only a change costs time.
 *
 * @throws Error with the settings' problems, or with cdk-nag's findings
 */
export async function synthesiseStack(
  cache: string,
  environment: Environment,
  log: (line: string) => void,
): Promise<SynthesisedStack> {
  const settings: Record<string, unknown> = parseSettings(environment);
  const names = Object.keys(settings);
  const fixed = Object.fromEntries(
    names.flatMap((name) => (name in late || !environment[name] ? [] : [[name, environment[name]]])),
  );
  const stamp = contentStamp(root, ['infra', 'lambdas', 'cdk.json', 'package-lock.json']);
  const variant = createHash('sha256').update(JSON.stringify(fixed)).digest('hex').slice(0, 8);
  const assets = await cached(cache, 'stack', stamp, variant, log, async (folder) => {
    const { context } = JSON.parse(await readFile(join(root, 'cdk.json'), 'utf8'));
    const others = Object.entries(process.env).filter(([name]) => !names.includes(name));
    await run(process.execPath, ['infra/app.ts'], {
      cwd: root,
      env: {
        ...Object.fromEntries(others),
        ...late,
        ...fixed,
        CDK_OUTDIR: folder,
        CDK_CONTEXT_JSON: JSON.stringify({ ...context }),
      },
    });
  });
  const name = (await readdir(assets)).find((file) => file.endsWith('.template.json'));
  if (!name) throw new Error(`infra/app.ts wrote no template into ${assets}`);
  return { template: withSettings(await readFile(join(assets, name), 'utf8'), settings), assets };
}

function withSettings(text: string, settings: Record<string, unknown>): unknown {
  let filled = text;
  for (const [name, placeholder] of Object.entries(late)) {
    filled = filled.replaceAll(JSON.stringify(placeholder), JSON.stringify(String(settings[name])));
    if (filled.includes(placeholder)) {
      throw new Error(
        `The template uses ${name} for more than a value of the functions' environment; the local platform must not fill it in afterwards.`,
      );
    }
  }
  return JSON.parse(filled);
}
