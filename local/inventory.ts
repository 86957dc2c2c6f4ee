import { readdir } from 'node:fs/promises';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { paginateListObjectsV2, S3Client } from '@aws-sdk/client-s3';
import { DynamoDBDocumentClient, paginateScan } from '@aws-sdk/lib-dynamodb';
import type { Platform } from './platform.ts';

export type Inventory = Record<string, number>;

/** Counts how many of each kind of thing exist now: in the clouds' own lists, and on this machine. */
export async function takeInventory(platform: Platform): Promise<Inventory> {
  const { aws, cloudflare, github } = platform;
  const { instances } = aws.ec2.describeInstances({});
  const tunnels = cloudflare.cloudflare.listTunnels({ is_deleted: 'false' });
  const records = cloudflare.cloudflare.listRecords({});
  const deployments = [...github.github.state.repositories.values()].flatMap((repository) => [
    ...repository.deployments,
  ]);
  return {
    machines: instances.filter(({ state }) => state !== 'terminated').length,
    disks: aws.ec2.volumes().length,
    'machine rows': (await scan(platform, 'hosts')).length,
    'mailbox objects': await countMailboxObjects(platform),
    tunnels: tunnels.items.length,
    'DNS records': records.items.length,
    'active deployments': deployments.filter(
      ({ statuses }) => !['inactive', undefined].includes(statuses.at(-1)?.state),
    ).length,
    environments: (await scan(platform, 'environments')).filter((row) => !isOver(row)).length,
    'folders of machines': await countDisks(platform),
  };
}

function isOver(row: Record<string, unknown>): boolean {
  const { state } = row;
  return typeof state === 'object' && state !== null && 'phase' in state && state.phase === 'destroyed';
}

function clientOf({ aws }: Platform) {
  const root = aws.credentials.root();
  return {
    region: aws.region,
    endpoint: aws.url,
    credentials: { accessKeyId: root.AWS_ACCESS_KEY_ID, secretAccessKey: root.AWS_SECRET_ACCESS_KEY },
  };
}

async function scan(platform: Platform, role: 'environments' | 'hosts'): Promise<Record<string, unknown>[]> {
  const table = tableOf(platform, role);
  const client = DynamoDBDocumentClient.from(new DynamoDBClient(clientOf(platform)));
  const items: Record<string, unknown>[] = [];
  for await (const page of paginateScan({ client }, { TableName: table })) items.push(...(page.Items ?? []));
  return items;
}

/** Found by the functions' environment, in which they also find it. */
export function tableOf(
  { aws }: Pick<Platform, 'aws'>,
  role: 'environments' | 'hosts' | 'builds' | 'events',
): string {
  const [lambda] = aws.stack.functions;
  return lambda?.environment[`${role.toUpperCase()}_TABLE`] ?? '';
}

async function countMailboxObjects(platform: Platform): Promise<number> {
  const client = new S3Client({ ...clientOf(platform), forcePathStyle: true });
  const [bucket] = platform.aws.stack.buckets;
  let count = 0;
  for await (const page of paginateListObjectsV2({ client }, { Bucket: bucket?.name, Prefix: 'hosts/' })) {
    count += page.Contents?.length ?? 0;
  }
  return count;
}

/** A local machine is a folder, which is its disk. */
async function countDisks(platform: Platform): Promise<number> {
  const names = await readdir(platform.machinesDir).catch(() => []);
  return names.filter((name) => name.startsWith('i-')).length;
}
