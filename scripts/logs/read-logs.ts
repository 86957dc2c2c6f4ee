import { FilterLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs';
import type { Deployment } from '../../infra/deploy/deployment.ts';
import { requireOutputs } from '../../infra/deploy/require-outputs.ts';
import { OperatorError } from '../../infra/terminal/operator-error.ts';
import { allEnvironments, findEnvironment, pullOf } from './find-environment.ts';
import { logLine } from './log-line.ts';

export interface LogQuery {
  /** `owner/repo#1`; undefined for all lines. */
  pull?: string | undefined;
  /** How far back to read, in milliseconds. */
  since: number;
  /** If it is set, new lines are read until it aborts; otherwise the reading ends with the lines that exist. */
  follow?: AbortSignal | undefined;
}

const FOLLOW_MS = 3_000;
/** CloudWatch shows events seconds after they happened, and not in the order of their time. */
const LATE_MS = 30_000;

/**
 * `make logs`: what the functions wrote, oldest first, readable.
 *
 * @throws OperatorError for a pull request that Eph does not know, or nothing deployed
 */
export async function readLogs(
  deployment: Deployment,
  query: LogQuery,
  print: (line: string) => void,
  sleep: (ms: number) => Promise<void> = (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
): Promise<void> {
  const groups = await logGroups(deployment);
  const rows = await allEnvironments(deployment);
  const names = new Map(rows.map((row) => [row.key, pullOf(row)]));
  // The key is searched with its quotes in JSON; otherwise 7#42 would also find 7#421.
  const pattern = query.pull ? `"\\"${findEnvironment(rows, query.pull).key}\\""` : undefined;
  const seen = new Set<string>();
  let from = deployment.now() - query.since;
  for (;;) {
    const startedAt = deployment.now();
    const events = await Promise.all(groups.map((group) => eventsOf(deployment, group, from, pattern)));
    for (const event of events.flat().toSorted((a, b) => a.at - b.at)) {
      if (seen.has(event.id)) continue;
      seen.add(event.id);
      const line = logLine(event, names);
      if (line !== undefined) print(line);
    }
    if (!query.follow || query.follow.aborted) return;
    from = Math.max(from, startedAt - LATE_MS);
    await sleep(FOLLOW_MS);
  }
}

interface LogGroup {
  name: string;
  source: string;
}

async function logGroups(deployment: Deployment): Promise<LogGroup[]> {
  const outputs = await requireOutputs(deployment);
  const named = {
    webhook: outputs['IngressLogGroup'],
    deployer: outputs['DeployerLogGroup'],
    cleanup: outputs['CleanupLogGroup'],
  };
  const groups = Object.entries(named).flatMap(([source, name]) => (name ? [{ source, name }] : []));
  if (groups.length > 0) return groups;
  throw new OperatorError('What is deployed does not name its log groups.', 'make deploy, then make logs.');
}

async function eventsOf({ aws }: Deployment, { name, source }: LogGroup, from: number, pattern?: string) {
  const found: { id: string; at: number; source: string; message: string }[] = [];
  let nextToken: string | undefined;
  do {
    const page = await aws.logs.send(
      new FilterLogEventsCommand({
        logGroupName: name,
        startTime: from,
        ...(pattern && { filterPattern: pattern }),
        ...(nextToken && { nextToken }),
      }),
    );
    for (const { eventId = '', timestamp = 0, message = '' } of page.events ?? []) {
      found.push({ id: `${source} ${eventId}`, at: timestamp, source, message });
    }
    nextToken = page.nextToken;
  } while (nextToken);
  return found;
}
