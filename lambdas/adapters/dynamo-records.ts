import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import {
  DeleteCommand,
  DynamoDBDocumentClient,
  GetCommand,
  PutCommand,
  paginateQuery,
  paginateScan,
  UpdateCommand,
} from '@aws-sdk/lib-dynamodb';
import { BUILD_SECONDS, EVENT_SECONDS, ORPHAN_SIGHTING, REPORT_BURST, REPORT_INTERVAL } from '#core/limits';
import type { Records } from '../ports.ts';
import type { Hosts } from '../providers/ec2/ec2-ports.ts';
import { withAwsErrors } from './aws-errors.ts';
import { unlessRefused } from './unless-refused.ts';

/** Called so since GitHub was the only forge. */
const LOST_ACCESS = 'lost:installation';

/** Builds, events and hosts: written in passing, read by people, by the trace and by the comparison. */
export function dynamoRecords(
  client: DynamoDBClient,
  tables: { builds: string; hosts: string; events: string },
  clock: { now(): number; newId(): string },
): Records & Hosts {
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

  /** Hosts whose reports this process need not even ask about, and until when. */
  const held = new Map<string, number>();

  function remember(instanceId: string, until: number, now: number): void {
    for (const [id, over] of held) if (over <= now) held.delete(id);
    held.set(instanceId, until);
  }

  /** The environment of the host, if the condition held and the write was made. */
  async function pay(
    instanceId: string,
    change: string,
    condition: string,
    values: Record<string, number>,
  ): Promise<string | undefined> {
    const { Attributes } =
      (await unlessRefused(
        documents.send(
          new UpdateCommand({
            TableName: tables.hosts,
            Key: { instanceId },
            UpdateExpression: `SET ${change}`,
            ConditionExpression: condition,
            ExpressionAttributeNames: {
              '#paid': 'reportsPaidUntil',
              ...(condition.includes('#id') ? { '#id': 'instanceId' } : {}),
            },
            ExpressionAttributeValues: values,
            ReturnValues: 'ALL_NEW',
          }),
        ),
      )) ?? {};
    return Attributes && String(Attributes['environment']);
  }

  /** Since when it is seen again and again; what was not seen for a while is new. */
  async function sight(kind: string, id: string, now: number): Promise<number> {
    const write = (expression: string, condition?: string) =>
      documents.send(
        new UpdateCommand({
          TableName: tables.events,
          Key: { environment: kind, id },
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
    const kept = 'SET #firstSeen = if_not_exists(#firstSeen, :now)';
    const seen = await unlessRefused(write(kept, 'attribute_not_exists(#firstSeen) OR #lastSeen >= :then'));
    if (seen) return Number(seen.Attributes?.['firstSeen'] ?? now);
    await write('SET #firstSeen = :now');
    return now;
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

    async admitReport(instanceId, now) {
      if ((held.get(instanceId) ?? 0) > now) return { kind: 'dropped' };
      // A report after a quiet time, the usual case, is one write.
      const quiet = 'attribute_not_exists(#paid) OR #paid <= :now';
      const first = await pay(instanceId, '#paid = :next', `attribute_exists(#id) AND (${quiet})`, {
        ':next': now + REPORT_INTERVAL,
        ':now': now,
      });
      if (first) return { kind: 'admitted', environment: first };

      const { Item } = await documents.send(
        new GetCommand({ TableName: tables.hosts, Key: { instanceId }, ConsistentRead: true }),
      );
      if (!Item) return { kind: 'stranger' };
      const heldUntil = Number(Item['reportsHeldUntil'] ?? 0);
      if (heldUntil > now) {
        remember(instanceId, heldUntil, now);
        return { kind: 'dropped' };
      }
      const environment = await pay(instanceId, '#paid = #paid + :interval', '#paid <= :limit', {
        ':interval': REPORT_INTERVAL,
        ':limit': now + REPORT_BURST * REPORT_INTERVAL,
      });
      if (environment) return { kind: 'admitted', environment };
      return { kind: 'postponed', environment: String(Item['environment']) };
    },

    async holdReports(instanceId, until) {
      remember(instanceId, until, clock.now());
      await unlessRefused(
        documents.send(
          new UpdateCommand({
            TableName: tables.hosts,
            Key: { instanceId },
            UpdateExpression: 'SET #held = :until',
            ConditionExpression: 'attribute_exists(#id)',
            ExpressionAttributeNames: { '#held': 'reportsHeldUntil', '#id': 'instanceId' },
            ExpressionAttributeValues: { ':until': until },
          }),
        ),
      );
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

    sightOrphan: (kind, id, now) => sight(`orphan:${kind}`, id, now),

    async sightLostAccess(access, now) {
      const since = await sight(LOST_ACCESS, access, now);
      const others: number[] = [];
      const query = {
        TableName: tables.events,
        KeyConditionExpression: '#environment = :lost',
        ExpressionAttributeNames: { '#environment': 'environment' },
        ExpressionAttributeValues: { ':lost': LOST_ACCESS },
      };
      for await (const page of paginateQuery({ client: documents }, query)) {
        for (const item of page.Items ?? []) {
          const isOther = String(item['id']) !== access;
          if (isOther && Number(item['lastSeen']) >= now - ORPHAN_SIGHTING)
            others.push(Number(item['firstSeen']));
        }
      }
      return { since, others };
    },

    async forgetLostAccess(access) {
      const Key = { environment: LOST_ACCESS, id: access };
      await documents.send(new DeleteCommand({ TableName: tables.events, Key }));
    },

    async forgetOrphan(kind, id) {
      await documents.send(
        new DeleteCommand({ TableName: tables.events, Key: { environment: `orphan:${kind}`, id } }),
      );
    },
  });
}
