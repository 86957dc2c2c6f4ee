import { ConditionalCheckFailedException, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import {
  DeleteCommand,
  DynamoDBDocumentClient,
  GetCommand,
  PutCommand,
  paginateScan,
  UpdateCommand,
} from '@aws-sdk/lib-dynamodb';
import { BUILD_SECONDS, EVENT_SECONDS, ORPHAN_SIGHTING } from '#core/limits';
import type { Records } from '../ports.ts';
import { withAwsErrors } from './aws-errors.ts';

/** Builds, events and hosts: written in passing, read by people, by the trace and by the comparison. */
export function dynamoRecords(
  client: DynamoDBClient,
  tables: { builds: string; hosts: string; events: string },
  clock: { now(): number; newId(): string },
): Records {
  const documents = DynamoDBDocumentClient.from(client, { marshallOptions: { removeUndefinedValues: true } });
  const expiresIn = (seconds: number) => Math.floor(clock.now() / 1_000) + seconds;

  async function writeBuild(environment: string, generation: number, part: object): Promise<void> {
    const attributes = Object.entries({ ...part, expiresAt: expiresIn(BUILD_SECONDS) });
    await documents.send(
      new UpdateCommand({
        TableName: tables.builds,
        Key: { environment, id: String(generation).padStart(9, '0') },
        UpdateExpression: `SET ${attributes.map(([name]) => `#${name} = :${name}`).join(', ')}`,
        ExpressionAttributeNames: Object.fromEntries(attributes.map(([name]) => [`#${name}`, name])),
        ExpressionAttributeValues: Object.fromEntries(attributes.map(([name, value]) => [`:${name}`, value])),
      }),
    );
  }

  return withAwsErrors('DynamoDB', {
    async putHost(instanceId, environment, now) {
      await documents.send(
        new PutCommand({ TableName: tables.hosts, Item: { instanceId, environment, since: now, v: 1 } }),
      );
    },

    async environmentOfHost(instanceId) {
      const { Item } = await documents.send(
        new GetCommand({ TableName: tables.hosts, Key: { instanceId }, ConsistentRead: true }),
      );
      return Item ? String(Item['environment']) : undefined;
    },

    async forgetHost(instanceId) {
      await documents.send(new DeleteCommand({ TableName: tables.hosts, Key: { instanceId } }));
    },

    async hosts() {
      const found: { instanceId: string; environment: string; since: number }[] = [];
      for await (const page of paginateScan({ client: documents }, { TableName: tables.hosts })) {
        for (const item of page.Items ?? []) {
          found.push({
            instanceId: String(item['instanceId']),
            environment: String(item['environment']),
            since: Number(item['since']),
          });
        }
      }
      return found;
    },

    async beginBuild({ environment, generation, ...rest }) {
      await writeBuild(environment, generation, { ...rest, generation, state: 'building' });
    },

    endBuild: writeBuild,

    async putEvents(environment, delivery, events) {
      if (events.length === 0) return;
      // Time first, so that the trace is one ordered query; an id behind it, so that no two runs collide.
      const id = `${new Date(events[0]?.at ?? clock.now()).toISOString()}#${clock.newId()}`;
      await documents.send(
        new PutCommand({
          TableName: tables.events,
          Item: { environment, id, delivery, events, v: 1, expiresAt: expiresIn(EVENT_SECONDS) },
        }),
      );
    },

    async sightOrphan(kind, id, now) {
      const sight = (expression: string, condition?: string) =>
        documents.send(
          new UpdateCommand({
            TableName: tables.events,
            Key: { environment: `orphan:${kind}`, id },
            UpdateExpression: `${expression}, #lastSeen = :now, #expiresAt = :expires`,
            ...(condition ? { ConditionExpression: condition } : {}),
            ExpressionAttributeNames: {
              '#firstSeen': 'firstSeen',
              '#lastSeen': 'lastSeen',
              '#expiresAt': 'expiresAt',
            },
            ExpressionAttributeValues: {
              ':now': now,
              ':expires': expiresIn(EVENT_SECONDS),
              ...(condition ? { ':then': now - ORPHAN_SIGHTING } : {}),
            },
            ReturnValues: 'ALL_NEW',
          }),
        );
      try {
        const kept = 'SET #firstSeen = if_not_exists(#firstSeen, :now)';
        const { Attributes } = await sight(kept, 'attribute_not_exists(#firstSeen) OR #lastSeen >= :then');
        return Number(Attributes?.['firstSeen'] ?? now);
      } catch (error) {
        if (!(error instanceof ConditionalCheckFailedException)) throw error;
        await sight('SET #firstSeen = :now');
        return now;
      }
    },

    async forgetOrphan(kind, id) {
      await documents.send(
        new DeleteCommand({ TableName: tables.events, Key: { environment: `orphan:${kind}`, id } }),
      );
    },
  });
}
