import { DynamoDBDocumentClient, paginateQuery } from '@aws-sdk/lib-dynamodb';
import * as v from 'valibot';
import type { Row } from '#core/environment';
import type { Deployment } from '../../infra/deploy/deployment.ts';
import { requireOutputs } from '../../infra/deploy/require-outputs.ts';
import { OperatorError } from '../../infra/terminal/operator-error.ts';
import { printableItem } from '../terminal/printable.ts';
import { allEnvironments, findEnvironment, pullOf } from './find-environment.ts';

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
type Delivered = v.InferOutput<typeof eventSchema>;

/**
 * `make trace`: prints every step that Eph took for a pull request, with cause, outcome and time, and the state it is
 * in.
 *
 * @throws OperatorError for a pull request that Eph does not know
 */
export async function printTrace(
  deployment: Deployment,
  pull: string,
  print: (line: string) => void,
): Promise<void> {
  const row = findEnvironment(await allEnvironments(deployment), pull);
  for (const line of headOf(row)) print(printableItem(line));
  let delivery = '';
  let last: number | undefined;
  for (const item of await readEvents(deployment, row.key)) {
    for (const event of item.events) {
      if (item.delivery !== delivery)
        print(`\n${printableItem(`${day(event.at)}  ${event.cause}  (delivery ${item.delivery})`)}`);
      delivery = item.delivery;
      const gap = last === undefined ? '' : `+${((event.at - last) / 1_000).toFixed(1)} s`;
      last = event.at;
      const time = new Date(event.at).toISOString().slice(11, 23);
      const took = `${event.millis} ms`.padStart(8);
      print(
        printableItem(`  ${time} ${gap.padStart(9)}  ${event.step.padEnd(15)} ${took}  ${event.outcome}`),
      );
    }
  }
}

function headOf(row: Row): string[] {
  const { phase, hostname, failure, retries } = row.state;
  const lines = [`${pullOf(row)}  ${phase}  ${hostname ?? ''}`.trimEnd()];
  if (failure) lines.push(`  failed at ${failure.sha.slice(0, 7)}: ${failure.sentence} (${failure.code})`);
  for (const [step, { sentence, count, notBefore }] of Object.entries(retries)) {
    lines.push(`  ${step} failed ${count} times, again at ${new Date(notBefore).toISOString()}: ${sentence}`);
  }
  return lines;
}

async function readEvents(deployment: Deployment, key: string): Promise<Delivered[]> {
  const { EventsTable: TableName } = await requireOutputs(deployment);
  if (!TableName) {
    throw new OperatorError(
      'The stack that is deployed is older than this command.',
      'make deploy brings it up to date.',
    );
  }
  const client = DynamoDBDocumentClient.from(deployment.aws.dynamodb);
  const query = {
    TableName,
    KeyConditionExpression: '#environment = :key',
    ExpressionAttributeNames: { '#environment': 'environment' },
    ExpressionAttributeValues: { ':key': key },
  };
  const items: Delivered[] = [];
  for await (const page of paginateQuery({ client }, query)) {
    for (const item of page.Items ?? []) items.push(v.parse(eventSchema, item));
  }
  return items;
}

function day(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}
