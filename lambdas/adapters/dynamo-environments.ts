import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { Environments } from '../ports.ts';
import { environmentRows } from '../store/environment-rows.ts';
import { dynamoTable } from './dynamo-table.ts';

/** The table of rows. `store/environment-writes.ts` has what is written, and on which condition. */
export function dynamoEnvironments(client: DynamoDBClient, table: string): Environments {
  return environmentRows(dynamoTable(client, table));
}
