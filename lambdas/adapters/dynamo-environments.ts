import { ConditionalCheckFailedException, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import {
  DynamoDBDocumentClient,
  GetCommand,
  paginateQuery,
  paginateScan,
  QueryCommand,
  type QueryCommandInput,
  UpdateCommand,
} from '@aws-sdk/lib-dynamodb';
import {
  type EnvironmentState,
  type Lease,
  newState,
  ROW_VERSION,
  type Row,
  type Source,
} from '#core/environment';
import { conflict, permanent } from '#core/failure';
import type { Environments } from '../ports.ts';
import { indexedAccess, readSource, type StoredSource, storedSource } from '../store/stored-source.ts';
import { type StoredState, upgradeState } from '../store/upgrade-state.ts';
import { withAwsErrors } from './aws-errors.ts';
import { unlessRefused } from './unless-refused.ts';

/**
 * The table of rows. See `core/environment.ts` for who writes what.
 *
 * `dueShard` exists exactly while `nextLookAt` does, so the index `due` holds the rows that wait for
 * something and nothing else: a sweep reads what is due, not what there is. One shard is enough for a
 * thousand writes a second; the reconciler makes a few a minute.
 */
const DUE_SHARD = '0';

interface Item {
  v: number;
  key: string;
  repositoryId: number;
  /** What the index goes by: the access that was said first, until the forge confirms one. */
  installationId?: number;
  number: number;
  wakes: number;
  source: StoredSource;
  leaseId?: string;
  leaseUntil?: number;
  nextLookAt?: number;
  dueAt?: number;
  takenFrom?: string;
  state?: StoredState;
}

export function dynamoEnvironments(client: DynamoDBClient, table: string): Environments {
  const documents = DynamoDBDocumentClient.from(client, { marshallOptions: { removeUndefinedValues: true } });

  const update = ({ key, expression, values, condition }: Write) =>
    documents.send(
      new UpdateCommand({
        TableName: table,
        Key: { key },
        UpdateExpression: expression,
        ExpressionAttributeNames: namesIn(`${expression} ${condition ?? ''}`),
        ExpressionAttributeValues: values,
        ...(condition ? { ConditionExpression: condition } : {}),
        ReturnValues: 'ALL_NEW',
      }),
    );

  /** Undefined when the row is not as the condition says. */
  async function updateIf(write: Write, now: number): Promise<Row | undefined> {
    const written = await unlessRefused(update(write));
    return written && toRow(written.Attributes, now);
  }

  async function keysOf(index: string, attribute: string, id: number | undefined): Promise<string[]> {
    if (id === undefined) return [];
    const query: QueryCommandInput = {
      TableName: table,
      IndexName: index,
      KeyConditionExpression: '#attribute = :id',
      ExpressionAttributeNames: { '#attribute': attribute },
      ExpressionAttributeValues: { ':id': id },
    };
    const found: string[] = [];
    for await (const page of paginateQuery({ client: documents }, query)) {
      for (const item of page.Items ?? []) found.push(String(item['key']));
    }
    return found;
  }

  return withAwsErrors('DynamoDB', {
    wake(key, source, now) {
      const { set, values } = wordOf(key, source);
      const expression = `ADD #wakes :one${set.length > 0 ? ` SET ${set.join(', ')}` : ''}`;
      // Only a word about a pull request may make a row; a late report must not make a ghost.
      return updateIf({ key, expression, values, ...(source ? {} : { condition: exists }) }, now);
    },

    claim(key, source, lease, now) {
      const { set, values } = wordOf(key, source);
      const condition = source ? free : `${exists} AND ${free}`;
      return updateIf(
        {
          key,
          expression: `ADD #wakes :one SET ${[...set, ...taken].join(', ')}`,
          values: { ...values, ...leaseValues(lease, now) },
          condition,
        },
        now,
      );
    },

    // A lease makes the row due when it ends, so what is due is free.
    claimIfDue: (key, lease, now) =>
      updateIf(
        {
          key,
          expression: `ADD #wakes :one SET ${taken.join(', ')}`,
          values: { ':one': 1, ...leaseValues(lease, now) },
          condition: `${exists} AND (#nextLookAt <= :now OR #leaseId = :lease)`,
        },
        now,
      ),

    async save(key, leaseId, state) {
      const { set, remove, values } = stateWrite(state);
      try {
        await update({
          key,
          expression: `SET ${set.join(', ')}${removeClause(remove)}`,
          values: { ...values, ':lease': leaseId },
          condition: '#leaseId = :lease',
        });
      } catch (error) {
        throw lostLease(error);
      }
    },

    async release(key, leaseId, wakes, state, nextLookAt) {
      const { set, remove, values } = stateWrite(state);
      const look = nextLookAt === undefined ? [] : ['#nextLookAt = :next', '#dueShard = :shard'];
      const noLook = nextLookAt === undefined ? ['#nextLookAt', '#dueShard'] : [];
      const written = await unlessRefused(
        update({
          key,
          expression: `SET ${[...set, ...look].join(', ')}${removeClause([...remove, '#leaseId', '#leaseUntil', ...noLook])}`,
          values: {
            ...values,
            ':lease': leaseId,
            ':wakes': wakes,
            ...(nextLookAt === undefined ? {} : { ':next': nextLookAt, ':shard': DUE_SHARD }),
          },
          condition: '#leaseId = :lease AND #wakes = :wakes',
        }),
      );
      return written !== undefined;
    },

    async read(key) {
      const { Item: item } = await documents.send(
        new GetCommand({ TableName: table, Key: { key }, ConsistentRead: true }),
      );
      return item ? toRow(item, 0) : undefined;
    },

    async due(now, limit) {
      const { Items } = await documents.send(
        new QueryCommand({
          TableName: table,
          IndexName: 'due',
          KeyConditionExpression: '#dueShard = :shard AND #nextLookAt <= :now',
          ExpressionAttributeNames: { '#dueShard': 'dueShard', '#nextLookAt': 'nextLookAt' },
          ExpressionAttributeValues: { ':shard': DUE_SHARD, ':now': now },
          Limit: limit,
        }),
      );
      return (Items ?? []).map((item) => String(item['key']));
    },

    ofRepository: (repositoryId) => keysOf('repository', 'repositoryId', repositoryId),
    ofAccess: (access) => keysOf('installation', 'installationId', indexedAccess(access)),

    async all() {
      const rows: Row[] = [];
      for await (const page of paginateScan(
        { client: documents },
        { TableName: table, ConsistentRead: true },
      )) {
        for (const item of page.Items ?? []) rows.push(toRow(item, 0));
      }
      return rows;
    },
  });
}

interface Write {
  key: string;
  expression: string;
  values: Record<string, unknown>;
  condition?: string;
}

const exists = 'attribute_exists(#key)';
/** Also for whom holds it already: the SDK repeats a write whose answer was lost. */
const free = '(attribute_not_exists(#leaseId) OR #leaseUntil <= :now OR #leaseId = :lease)';
const taken = [
  '#leaseId = :lease',
  '#leaseUntil = :until',
  '#dueAt = if_not_exists(#nextLookAt, :until)',
  '#takenFrom = if_not_exists(#leaseId, :lease)',
  '#nextLookAt = :until',
  '#dueShard = :shard',
];

function leaseValues({ id, until }: Lease, now: number): Record<string, unknown> {
  return { ':lease': id, ':until': until, ':now': now, ':shard': DUE_SHARD };
}

function wordOf(key: string, source: Source | undefined): { set: string[]; values: Record<string, unknown> } {
  if (!source) return { set: [], values: { ':one': 1 } };
  const [repositoryId, number] = key.split('#').map(Number);
  const indexed = indexedAccess(source.access);
  return {
    set: [
      '#v = :v',
      '#repositoryId = :repository',
      '#number = :number',
      '#source = :source',
      // The forge's own word, which the holder of the lease writes, is not replaced by a message's.
      ...(indexed === undefined ? [] : ['#installationId = if_not_exists(#installationId, :installation)']),
    ],
    values: {
      ':one': 1,
      ':v': ROW_VERSION,
      ':repository': repositoryId,
      ':number': number,
      ':source': storedSource(source),
      ...(indexed === undefined ? {} : { ':installation': indexed }),
    },
  };
}

/** What the table indexes or expires by stands beside the state. A row that lives again must lose its expiry. */
function stateWrite(state: EnvironmentState) {
  const set = ['#state = :state'];
  const remove: string[] = [];
  const values: Record<string, unknown> = { ':state': state };
  if (state.hostname !== undefined) {
    set.push('#hostname = :hostname');
    values[':hostname'] = state.hostname;
  }
  const indexed = indexedAccess(state.access);
  if (indexed !== undefined) {
    set.push('#installationId = :installation');
    values[':installation'] = indexed;
  }
  if (state.forgetAt === undefined) {
    remove.push('#forgetAt');
  } else {
    set.push('#forgetAt = :forget');
    values[':forget'] = state.forgetAt;
  }
  return { set, remove, values };
}

function removeClause(names: string[]): string {
  return names.length > 0 ? ` REMOVE ${names.join(', ')}` : '';
}

/** Every attribute is written `#name`, so none can collide with DynamoDB's reserved words. */
function namesIn(expression: string): Record<string, string> {
  const names = [...expression.matchAll(/#([A-Za-z]+)/g)].map(([whole, name]) => [whole, name ?? '']);
  return Object.fromEntries(names);
}

function lostLease(error: unknown): unknown {
  if (!(error instanceof ConditionalCheckFailedException)) return error;
  return conflict('lease_lost', 'The lease passed to another run.');
}

function toRow(item: unknown, now: number): Row {
  if (!isItem(item)) throw permanent('row_unreadable', 'A row of the environments table cannot be read.');
  return {
    v: ROW_VERSION,
    key: item.key,
    repositoryId: item.repositoryId,
    number: item.number,
    wakes: item.wakes,
    source: readSource(item.source),
    ...(item.leaseId && item.leaseUntil ? { lease: { id: item.leaseId, until: item.leaseUntil } } : {}),
    ...(item.nextLookAt === undefined ? {} : { nextLookAt: item.nextLookAt }),
    ...(item.dueAt === undefined ? {} : { dueAt: item.dueAt }),
    // From itself: nobody held it.
    ...(item.takenFrom && item.takenFrom !== item.leaseId ? { takenFrom: item.takenFrom } : {}),
    state: stateOf(item, now),
  };
}

function stateOf({ state, installationId }: Item, now: number): EnvironmentState {
  return state ? upgradeState(state, installationId) : newState(now);
}

/** Every word about a pull request writes all of these, so a row without them is not one of ours. */
function isItem(item: unknown): item is Item {
  return (
    typeof item === 'object' &&
    item !== null &&
    'key' in item &&
    'wakes' in item &&
    'source' in item &&
    'v' in item &&
    item.v === ROW_VERSION
  );
}
