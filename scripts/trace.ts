import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient, paginateQuery, paginateScan } from '@aws-sdk/lib-dynamodb';
import * as v from 'valibot';
import { openDeployment } from './deploy/open-deployment.ts';
import { requireOutputs } from './deploy/require-outputs.ts';
import { inquirerTerminal } from './terminal/inquirer-terminal.ts';
import { OperatorError } from './terminal/operator-error.ts';

/**
 * `make trace PR=owner/repo#1`: every step that Eph took for a pull request, with cause, outcome and time.
 * Reads the tables of the running local platform, else those of the deployment in `.env`; `ENV=<file>` always
 * means the deployment of that file.
 */
const rowSchema = v.object({
  key: v.string(),
  number: v.number(),
  source: v.object({ owner: v.string(), name: v.string() }),
  state: v.optional(v.object({ phase: v.string(), hostname: v.optional(v.string()) })),
});
const eventSchema = v.object({
  delivery: v.string(),
  events: v.array(
    v.object({
      at: v.number(),
      cause: v.string(),
      step: v.string(),
      outcome: v.string(),
      millis: v.number(),
    }),
  ),
});

const [, owner, name, number] = /^([^/\s]+)\/([^#\s]+)#(\d+)$/.exec(process.argv[2] ?? '') ?? [];
if (!owner || !name || !number) fail('Say which pull request: make trace PR=owner/repo#1');

const tables = await findTables();
const client = DynamoDBDocumentClient.from(tables.client);
const row = await findRow();
if (!row) fail(`Eph knows no pull request ${owner}/${name}#${number}.`);

console.log(`${owner}/${name}#${number}  ${row.state?.phase ?? 'new'}  ${row.state?.hostname ?? ''}`);
let delivery = '';
let last: number | undefined;
for (const item of await readEvents(row.key)) {
  for (const event of item.events) {
    if (item.delivery !== delivery) console.log(`\n${event.cause}  (delivery ${item.delivery})`);
    delivery = item.delivery;
    const gap = last === undefined ? '' : `+${((event.at - last) / 1_000).toFixed(1)} s`;
    last = event.at;
    const time = new Date(event.at).toISOString().slice(11, 23);
    console.log(
      `  ${time} ${gap.padStart(9)}  ${event.step.padEnd(15)} ${`${event.millis} ms`.padStart(8)}  ${event.outcome}`,
    );
  }
}

interface TracedTables {
  client: DynamoDBClient;
  environments: string;
  events: string;
}

async function findTables(): Promise<TracedTables> {
  const isOther = (process.env['EPH_ENV_FILE'] ?? '.env') !== '.env';
  return (isOther ? undefined : await localTables()) ?? (await deployedTables());
}

/** Undefined: no local platform is running; one that was killed leaves its file. */
async function localTables(): Promise<TracedTables | undefined> {
  const file = join(import.meta.dirname, '..', '.local/platform.json');
  const text = await readFile(file, 'utf8').catch(() => undefined);
  if (!text) return undefined;
  const { aws, credentials, environment } = JSON.parse(text);
  if (!(await fetch(aws).catch(() => undefined))) return undefined;
  Object.assign(process.env, credentials, { AWS_ENDPOINT_URL: aws });
  const { ENVIRONMENTS_TABLE: environments, EVENTS_TABLE: events } = environment;
  return { client: new DynamoDBClient({}), environments, events };
}

async function deployedTables(): Promise<TracedTables> {
  try {
    const deployment = await openDeployment(inquirerTerminal(process.env));
    const { EnvironmentsTable: environments, EventsTable: events } = await requireOutputs(deployment);
    if (environments && events) return { client: deployment.aws.dynamodb, environments, events };
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    fail(`No local platform is running, and ${error.message}${error.fix ? `\n${error.fix}` : ''}`);
  }
  fail('The stack that is deployed is older than this command: make deploy brings it up to date.');
}

async function findRow(): Promise<v.InferOutput<typeof rowSchema> | undefined> {
  for await (const page of paginateScan({ client }, { TableName: tables.environments })) {
    for (const item of page.Items ?? []) {
      const parsed = v.safeParse(rowSchema, item);
      if (!parsed.success || parsed.output.number !== Number(number)) continue;
      const { source } = parsed.output;
      if (`${source.owner}/${source.name}`.toLowerCase() === `${owner}/${name}`.toLowerCase())
        return parsed.output;
    }
  }
  return undefined;
}

async function readEvents(key: string): Promise<v.InferOutput<typeof eventSchema>[]> {
  const items: v.InferOutput<typeof eventSchema>[] = [];
  const query = {
    TableName: tables.events,
    KeyConditionExpression: '#environment = :key',
    ExpressionAttributeNames: { '#environment': 'environment' },
    ExpressionAttributeValues: { ':key': key },
  };
  for await (const page of paginateQuery({ client }, query)) {
    for (const item of page.Items ?? []) items.push(v.parse(eventSchema, item));
  }
  return items;
}

function fail(sentence: string): never {
  console.error(sentence);
  process.exit(1);
}
