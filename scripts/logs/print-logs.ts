import { workerName } from '../../infra/cloudflare/access-names.ts';
import type { Deployment } from '../../infra/deploy/deployment.ts';
import { readLogs } from './read-logs.ts';

export interface LogQuery {
  pull: string | undefined;
  /** How far back to read, in milliseconds. */
  since: number;
  /** Whether to continue until the process ends. */
  follow: boolean;
}

/** `make logs`. */
export async function printLogs(deployment: Deployment, { pull, since, follow }: LogQuery): Promise<void> {
  const { terminal, settings } = deployment;
  await readLogs(
    deployment,
    { pull, since, follow: follow ? new AbortController().signal : undefined },
    (line) => terminal.print(line),
  );
  terminal.print(`\nThe Worker's log, from now on: npx wrangler tail ${workerName(settings.DEPLOYMENT_ID)}`);
}
