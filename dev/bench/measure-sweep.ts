import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { BatchWriteCommand, DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { newState, ROW_VERSION } from '#core/environment';
import { sweep } from '../../local/announce-platform.ts';
import { tableOf } from '../../local/inventory.ts';
import type { Figure } from './figures.ts';
import { type SeenEntry, startBenchPlatform } from './start-bench-platform.ts';

/**
 * The cleanup function, run once over 10,000 rows: 100 are due, half of the rest wait for a later time, the others
 * for nothing. Its reads of DynamoDB are counted in the wire log.
 */
const ROWS = 10_000;
const DUE = 100;
const BATCH = 25;

export async function measureSweep(cache: string): Promise<Figure[]> {
  const platform = await startBenchPlatform({ cache, pauseMs: 0, limits: false, branches: ['one'] });
  try {
    const { aws } = platform;
    const root = aws.credentials.root();
    const dynamo = new DynamoDBClient({
      region: aws.region,
      endpoint: aws.url,
      credentials: { accessKeyId: root.AWS_ACCESS_KEY_ID, secretAccessKey: root.AWS_SECRET_ACCESS_KEY },
    });
    const client = DynamoDBDocumentClient.from(dynamo);
    const table = tableOf(platform, 'environments');
    for (let first = 0; first < ROWS; first += BATCH) {
      const rows = Array.from({ length: BATCH }, (_, index) => rowOf(first + index));
      const requests = rows.map((row) => ({ PutRequest: { Item: row } }));
      await client.send(new BatchWriteCommand({ RequestItems: { [table]: requests } }));
    }
    const from = platform.wire.length;
    const [result] = await sweep(platform, 'due');
    if (!result?.ok) throw new Error('The cleanup failed.');
    const sent = platform.wire.slice(from);
    const reads = sent.filter(({ query }) => ['Query', 'Scan'].includes(String(query['Action'])));
    const items = reads.reduce((sum, { reply }) => sum + itemsIn(reply), 0);
    return [
      {
        what: `Sweep over ${ROWS} rows of which ${DUE} are due`,
        measured: `${reads.length} read of DynamoDB, ${items} items examined, ${result.durationMs} ms`,
        bar: 'reads what is due',
        met: items === DUE && reads.length <= 1 + DUE / BATCH,
      },
    ];
  } finally {
    await platform.close();
  }
}

function itemsIn(reply: SeenEntry['reply']): number {
  if (typeof reply !== 'object' || reply === null) return 0;
  return 'ScannedCount' in reply ? Number(reply.ScannedCount) : 0;
}

/** A row of a repository that does not exist: its reconcile finds nothing to do. */
function rowOf(index: number): Record<string, unknown> {
  const now = Date.now();
  const looksAt = index < DUE ? now - 1_000 : index % 2 === 0 ? now + 86_400_000 : undefined;
  return {
    v: ROW_VERSION,
    key: `1#${index + 1}`,
    repositoryId: 1,
    number: index + 1,
    installationId: 1,
    wakes: 1,
    source: { installationId: 1, owner: 'acme', name: 'gone', delivery: 'bench' },
    state: newState(now),
    ...(looksAt === undefined ? {} : { dueShard: '0', nextLookAt: looksAt }),
  };
}
