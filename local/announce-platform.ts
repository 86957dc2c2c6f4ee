import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { InvocationResult } from './aws/lambda-runtime.ts';
import { platformFile } from './find-platform.ts';
import { takeInventory } from './inventory.ts';
import { type Platform, writeWhole } from './platform.ts';

/** The task in a rule's input tells the cleanup what to do; see `lambdas/handlers/on-schedule.ts`. */
export type SweepTask = 'due' | 'compare';

export interface Announcement {
  file: string;
  /** The settings file for the operator's commands: `make doctor ENV=<envFile>`. */
  envFile: string;
  close(): Promise<void>;
}

/**
 * Writes `platform.json` and `platform.env`, which exist exactly while the platform runs, and lets the control server
 * run the cleanup and count what exists.
 */
export async function announcePlatform(
  platform: Platform,
  options: { dir: string; repository: string; wireLogFile: string | undefined },
): Promise<Announcement> {
  platform.control.on('GET /inventory', () => takeInventory(platform));
  platform.control.on('POST /sweep/due', () => sweep(platform, 'due'));
  platform.control.on('POST /sweep/compare', () => sweep(platform, 'compare'));
  const file = platformFile(options.dir);
  const envFile = join(options.dir, 'platform.env');
  await writeWhole(envFile, settingsFile(platform.environment));
  await writeWhole(file, `${JSON.stringify(describe(platform, options), null, 2)}\n`);
  return {
    file,
    envFile,
    async close() {
      await rm(file, { force: true });
      await rm(envFile, { force: true });
    },
  };
}

/** Runs the rule whose input names the task now. */
export async function sweep({ aws }: Pick<Platform, 'aws'>, task: SweepTask): Promise<InvocationResult[]> {
  const rule = aws.stack.rules.find(({ targets }) =>
    targets.some(({ input }) => JSON.stringify(input ?? '').includes(task)),
  );
  if (!rule) throw new Error(`The template has no rule with the task "${task}".`);
  return aws.runSchedule(rule.name);
}

function describe(
  { aws, github, cloudflare, worker, control }: Platform,
  options: { repository: string; wireLogFile: string | undefined },
) {
  const { access } = cloudflare;
  return {
    worker: worker.url,
    github: github.url,
    githubApi: github.apiUrl,
    cloudflareApi: cloudflare.apiUrl,
    aws: aws.url,
    edge: cloudflare.edgeUrl,
    control: control.url,
    sweep: 'make sweep TASK=due (or TASK=compare)',
    repository: options.repository,
    tokens: github.tokens,
    access: {
      login: access.login,
      serviceToken: { id: access.serviceToken.clientId, secret: access.serviceToken.clientSecret },
      teamDomain: access.teamDomain,
    },
    credentials: { AWS_REGION: aws.region, ...aws.credentials.root() },
    wireLog: options.wireLogFile ?? null,
  };
}

function settingsFile(environment: Record<string, string>): string {
  const lines = Object.entries(environment).map(([name, value]) => `${name}="${value}"`);
  return [
    '# Settings of the running local platform, for the commands of an operator: make doctor ENV=<this file>.',
    '# Gone when it stops. Keys and tokens in here are those of the stand-ins on this machine.',
    ...lines,
    '',
  ].join('\n');
}
