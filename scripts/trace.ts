import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient, paginateQuery, paginateScan } from '@aws-sdk/lib-dynamodb';
import * as v from 'valibot';

/**
 * `make trace PR=owner/repo#1`: every step that Eph took for a pull request, with cause, outcome and time.
 * Reads the tables of the running local platform, or those named by ENVIRONMENTS_TABLE and EVENTS_TABLE with
 * the AWS credentials of the environment.
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
const client = DynamoDBDocumentClient.from(new DynamoDBClient({}));
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

async function findTables(): Promise<{ environments: string; events: string }> {
  const { ENVIRONMENTS_TABLE: environments, EVENTS_TABLE: events } = process.env;
  if (environments && events) return { environments, events };
  const file = join(import.meta.dirname, '..', '.local/platform.json');
  const text = await readFile(file, 'utf8').catch(() => undefined);
  if (!text) {
    fail(
      'No local platform is running. For a deployed one set ENVIRONMENTS_TABLE, EVENTS_TABLE and AWS credentials.',
    );
  }
  const platform = JSON.parse(text);
  if (!(await fetch(platform.aws).catch(() => undefined))) {
    fail('The local platform does not answer any more; start one with `make local`.');
  }
  Object.assign(process.env, platform.credentials, { AWS_ENDPOINT_URL: platform.aws });
  return { environments: platform.environment.ENVIRONMENTS_TABLE, events: platform.environment.EVENTS_TABLE };
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
