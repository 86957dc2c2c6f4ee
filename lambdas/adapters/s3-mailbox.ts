import {
  DeleteObjectsCommand,
  GetObjectCommand,
  NoSuchKey,
  PutObjectCommand,
  paginateListObjectsV2,
  type S3Client,
} from '@aws-sdk/client-s3';
import * as v from 'valibot';
import {
  MAX_REPORT_BYTES,
  mailboxFiles,
  mailboxPrefix,
  parseMailboxKey,
  progressSchema,
  resultSchema,
} from '#core/mailbox';
import type { Mailbox } from '../ports.ts';
import { withAwsErrors } from './aws-errors.ts';

/**
 * Mailboxes in S3. What a host wrote is somebody's code's word: it is read to a limit, parsed against its
 * schema, and an unreadable report is as good as none (the deadline decides then).
 */
export function s3Mailbox(client: S3Client, bucket: string, hostRoleId: string): Mailbox {
  async function readReport<T extends v.GenericSchema>(
    instanceId: string,
    file: string,
    schema: T,
  ): Promise<v.InferOutput<T> | undefined> {
    try {
      const { Body } = await client.send(
        new GetObjectCommand({
          Bucket: bucket,
          Key: mailboxPrefix(hostRoleId, instanceId) + file,
          Range: `bytes=0-${MAX_REPORT_BYTES - 1}`,
        }),
      );
      const parsed = v.safeParse(schema, parseJson((await Body?.transformToString()) ?? ''));
      return parsed.success ? parsed.output : undefined;
    } catch (error) {
      if (error instanceof NoSuchKey) return undefined;
      // No byte can be read of an empty object. A host could hold up its own closing with one.
      if (error instanceof Error && error.name === 'InvalidRange') return undefined;
      throw error;
    }
  }

  async function list(prefix: string): Promise<{ key: string; at: number }[]> {
    const found: { key: string; at: number }[] = [];
    for await (const page of paginateListObjectsV2({ client }, { Bucket: bucket, Prefix: prefix })) {
      for (const object of page.Contents ?? []) {
        if (object.Key) found.push({ key: object.Key, at: object.LastModified?.getTime() ?? 0 });
      }
    }
    return found;
  }

  return withAwsErrors('S3', {
    async mail(instanceId, order) {
      await client.send(
        new PutObjectCommand({
          Bucket: bucket,
          Key: mailboxPrefix(hostRoleId, instanceId) + mailboxFiles.order,
          Body: JSON.stringify(order),
          ContentType: 'application/json',
        }),
      );
    },

    progress: (instanceId) => readReport(instanceId, mailboxFiles.progress, progressSchema),
    result: (instanceId) => readReport(instanceId, mailboxFiles.result, resultSchema),

    async clear(instanceId) {
      const objects = await list(mailboxPrefix(hostRoleId, instanceId));
      if (objects.length === 0) return;
      await client.send(
        new DeleteObjectsCommand({
          Bucket: bucket,
          Delete: { Objects: objects.map(({ key }) => ({ Key: key })), Quiet: true },
        }),
      );
    },

    async list() {
      const newest = new Map<string, number>();
      for (const { key, at } of await list('hosts/')) {
        const from = parseMailboxKey(key);
        if (from) newest.set(from.instanceId, Math.max(at, newest.get(from.instanceId) ?? 0));
      }
      return [...newest].map(([instanceId, at]) => ({ instanceId, at }));
    },
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
