import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import {
  DeleteCommand,
  DynamoDBDocumentClient,
  GetCommand,
  PutCommand,
  QueryCommand,
  ScanCommand,
  UpdateCommand,
} from '@aws-sdk/lib-dynamodb';
import { itemKey, type KeyNames, rowKey } from '../store/item-key.ts';
import type { Table, TableQuery } from '../store/table.ts';
import { updateExpression } from '../store/update-expression.ts';
import { withAwsErrors } from './aws-errors.ts';
import { unlessRefused } from './unless-refused.ts';

/** A table on DynamoDB. Reads are consistent, except those of an index, which cannot be. */
export function dynamoTable(client: DynamoDBClient, table: string, names: KeyNames = rowKey): Table {
  const documents = DynamoDBDocumentClient.from(client, { marshallOptions: { removeUndefinedValues: true } });
  const from = (cursor: object | undefined) => (cursor ? { ExclusiveStartKey: { ...cursor } } : {});

  return withAwsErrors<Table>('DynamoDB', {
    async update(write) {
      const written = await unlessRefused(
        documents.send(
          new UpdateCommand({
            TableName: table,
            Key: itemKey(names, write),
            ...updateExpression(write),
            ReturnValues: 'ALL_NEW',
          }),
        ),
      );
      return written?.Attributes;
    },

    async put(item) {
      await documents.send(new PutCommand({ TableName: table, Item: item }));
    },

    async delete(key) {
      await documents.send(new DeleteCommand({ TableName: table, Key: itemKey(names, key) }));
    },

    async read(key) {
      const { Item } = await documents.send(
        new GetCommand({ TableName: table, Key: itemKey(names, { key }), ConsistentRead: true }),
      );
      return Item;
    },

    async query(query, cursor) {
      const { Items, LastEvaluatedKey } = await documents.send(
        new QueryCommand({ TableName: table, ...keyCondition(query), ...from(cursor) }),
      );
      return { items: Items ?? [], next: LastEvaluatedKey };
    },

    async scan(cursor) {
      const { Items, LastEvaluatedKey } = await documents.send(
        new ScanCommand({ TableName: table, ConsistentRead: true, ...from(cursor) }),
      );
      return { items: Items ?? [], next: LastEvaluatedKey };
    },
  });
}

function keyCondition({ index, name, value, atMost, limit }: TableQuery) {
  return {
    ...(index === undefined ? { ConsistentRead: true } : { IndexName: index }),
    KeyConditionExpression: `#name = :value${atMost ? ' AND #sort <= :most' : ''}`,
    ExpressionAttributeNames: { '#name': name, ...(atMost ? { '#sort': atMost.name } : {}) },
    ExpressionAttributeValues: { ':value': value, ...(atMost ? { ':most': atMost.value } : {}) },
    ...(limit === undefined ? {} : { Limit: limit }),
  };
}
