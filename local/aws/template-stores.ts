/** Queues, tables and buckets of a template. */
import * as v from 'valibot';
import type { BucketNotification } from './s3-notifications.ts';
import type { Resolver } from './template-intrinsics.ts';
import { arnOf, lastPart, physicalName } from './template-names.ts';

export interface QueueDescription {
  name: string;
  arn: string;
  /** The attributes in the form of CreateQueue. */
  attributes: Record<string, string>;
}

export interface TableDescription {
  name: string;
  partitionKey: string;
  /** Whether it stays when its stack is deleted. */
  retained: boolean;
  /** The table in the form of CreateTable. */
  createTable: Record<string, unknown>;
}

export interface BucketDescription {
  name: string;
  notifications: BucketNotification[];
}

export function readQueue(resolver: Resolver, id: string, properties: unknown): QueueDescription {
  const queue = v.parse(v.record(v.string(), v.unknown()), properties);
  const simple = [
    'VisibilityTimeout',
    'MessageRetentionPeriod',
    'DelaySeconds',
    'ReceiveMessageWaitTimeSeconds',
    'MaximumMessageSize',
    'FifoQueue',
    'ContentBasedDeduplication',
  ];
  const attributes = simple.flatMap((key) => (queue[key] === undefined ? [] : [[key, String(queue[key])]]));
  if (queue['RedrivePolicy']) attributes.push(['RedrivePolicy', JSON.stringify(queue['RedrivePolicy'])]);
  return {
    name: physicalName(resolver, id),
    arn: arnOf(resolver, id),
    attributes: Object.fromEntries(attributes),
  };
}

const tableSchema = v.looseObject({
  KeySchema: v.array(v.object({ AttributeName: v.string(), KeyType: v.picklist(['HASH', 'RANGE']) })),
  AttributeDefinitions: v.array(v.object({ AttributeName: v.string(), AttributeType: v.string() })),
  GlobalSecondaryIndexes: v.optional(
    v.array(
      v.looseObject({ IndexName: v.string(), KeySchema: v.array(v.unknown()), Projection: v.unknown() }),
    ),
  ),
});

export function readTable(
  resolver: Resolver,
  id: string,
  properties: unknown,
  deletionPolicy: string | undefined,
): TableDescription {
  const table = v.parse(tableSchema, properties);
  const name = physicalName(resolver, id);
  const indexes = table.GlobalSecondaryIndexes?.map(({ IndexName, KeySchema, Projection }) => ({
    IndexName,
    KeySchema,
    Projection,
  }));
  return {
    name,
    partitionKey: table.KeySchema.find(({ KeyType }) => KeyType === 'HASH')?.AttributeName ?? '',
    retained: deletionPolicy === 'Retain' || deletionPolicy === 'RetainExceptOnCreate',
    createTable: {
      TableName: name,
      BillingMode: 'PAY_PER_REQUEST',
      KeySchema: table.KeySchema,
      AttributeDefinitions: table.AttributeDefinitions,
      ...(indexes && { GlobalSecondaryIndexes: indexes }),
    },
  };
}

const notificationSchema = v.strictObject({
  QueueConfigurations: v.optional(
    v.array(
      v.object({
        Event: v.string(),
        Queue: v.string(),
        Filter: v.optional(
          v.object({
            S3Key: v.object({ Rules: v.array(v.object({ Name: v.string(), Value: v.string() })) }),
          }),
        ),
      }),
    ),
    [],
  ),
});

export function readNotifications(configuration: unknown): BucketNotification[] {
  if (configuration === undefined) return [];
  return v.parse(notificationSchema, configuration).QueueConfigurations.map(({ Event, Queue, Filter }) => {
    const rule = (name: string) =>
      Filter?.S3Key.Rules.find(({ Name }) => Name.toLowerCase() === name)?.Value ?? '';
    return { queueName: lastPart(Queue), events: [Event], prefix: rule('prefix'), suffix: rule('suffix') };
  });
}
