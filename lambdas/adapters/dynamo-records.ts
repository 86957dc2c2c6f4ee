import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { Records } from '../ports.ts';
import { recordRows } from '../store/record-rows.ts';
import { recordKey } from '../store/record-writes.ts';
import { dynamoTable } from './dynamo-table.ts';

/** The tables of builds and events. `store/record-writes.ts` has what is written, and on which condition. */
export function dynamoRecords(
  client: DynamoDBClient,
  tables: { builds: string; events: string },
  clock: { now(): number; newId(): string },
): Records {
  const table = (name: string) => dynamoTable(client, name, recordKey);
  return recordRows({ builds: table(tables.builds), events: table(tables.events) }, clock);
}
