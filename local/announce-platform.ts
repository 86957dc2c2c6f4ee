import { rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { InvocationResult } from './aws/lambda-runtime.ts';
import { takeInventory } from './inventory.ts';
import { type Platform, platformFile, writeWhole } from './platform.ts';

/** The task in a rule's input tells the cleanup what to do; see `lambdas/handlers/on-schedule.ts`. */
export type SweepTask = 'due' | 'compare';

export interface Announcement {
  file: string;
  close(): Promise<void>;
}

/**
 * Writes `platform.json`, which is there exactly while the platform runs, and opens a small control server for
 * what a person at AWS' console could do: run the cleanup now, count what exists.
 */
export async function announcePlatform(
  platform: Platform,
  options: { dir: string; repository: string; wireLogFile: string | undefined },
): Promise<Announcement> {
  const control = createServer((request, reply) => {
    answer(platform, request.method ?? 'GET', request.url ?? '/').then(
      ({ status, body }) => {
        reply.statusCode = status;
        reply.end(`${JSON.stringify(body)}\n`);
      },
      (error: unknown) => {
        reply.statusCode = 500;
        reply.end(`${error instanceof Error ? error.message : String(error)}\n`);
      },
    );
  });
  await new Promise<void>((resolve) => control.listen(0, '127.0.0.1', resolve));
  const file = platformFile(options.dir);
  await writeWhole(file, `${JSON.stringify(describe(platform, addressOf(control), options), null, 2)}\n`);
  return {
    file,
    async close() {
      control.close();
      control.closeAllConnections();
      await rm(file, { force: true });
    },
  };
}

/** The rule whose input names the task, run now. */
export async function sweep({ aws }: Pick<Platform, 'aws'>, task: SweepTask): Promise<InvocationResult[]> {
  const rule = aws.stack.rules.find(({ targets }) =>
    targets.some(({ input }) => JSON.stringify(input).includes(task)),
  );
  if (!rule) throw new Error(`The template has no rule with the task "${task}".`);
  return aws.runSchedule(rule.name);
}

async function answer(
  platform: Platform,
  method: string,
  path: string,
): Promise<{ status: number; body: unknown }> {
  if (method === 'GET' && path === '/inventory') return { status: 200, body: await takeInventory(platform) };
  const task = /^\/sweep\/(due|compare)$/.exec(path)?.[1];
  if (method === 'POST' && (task === 'due' || task === 'compare')) {
    return { status: 200, body: await sweep(platform, task) };
  }
  const error = 'There is GET /inventory, POST /sweep/due and POST /sweep/compare.';
  return { status: 404, body: { error } };
}

function describe(
  { aws, github, cloudflare, worker }: Platform,
  control: string,
  options: { repository: string; wireLogFile: string | undefined },
) {
  const [lambda] = aws.stack.functions;
  const { access } = cloudflare;
  return {
    worker: worker.url,
    github: github.url,
    githubApi: github.apiUrl,
    cloudflareApi: cloudflare.apiUrl,
    aws: aws.url,
    edge: cloudflare.edgeUrl,
    control,
    sweep: 'make sweep TASK=due (or TASK=compare)',
    repository: options.repository,
    tokens: github.tokens,
    access: {
      login: access.login,
      serviceToken: { id: access.serviceToken.clientId, secret: access.serviceToken.clientSecret },
      teamDomain: access.teamDomain,
    },
    credentials: { AWS_REGION: aws.region, ...aws.credentials.root() },
    /** What the functions are told; the trace finds its tables here. */
    environment: lambda?.environment ?? {},
    wireLog: options.wireLogFile ?? null,
  };
}

function addressOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
