import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  NoSuchKey,
  PutObjectCommand,
  paginateListObjectsV2,
  type S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import * as v from 'valibot';
import { EphError } from '#core/failure';
import { MAX_CLEARED_OBJECTS, MAX_CLEARED_ONE_BY_ONE, WRITE_TRIES } from '#core/limits';
import { withAwsErrors } from '../../adapters/aws-errors.ts';
import type { Mailbox } from './ec2-ports.ts';
import { MAX_REPORT_BYTES, mailboxFiles, mailboxPrefix, progressSchema, resultSchema } from './mailbox.ts';

/**
 * Mailboxes in S3. Somebody's code may have written a host's file: it is read up to a limit and parsed against its
 * schema, and an unreadable report counts as none (then the deadline decides).
 *
 * Gotchas
 * - A deployment spec replaces only the one that was read or written before (`If-Match`, or `If-None-Match` for the
 *   first). A call without an answer may take effect minutes later. It would then bring back an old commit, secrets
 *   that were withdrawn and the token of a tunnel that is gone, and no later call would correct that.
 * - A host may write any number of objects under its prefix, with any names. So mailboxes are listed by their
 *   prefixes, and one run clears a bounded number of objects: the step's next try clears the rest.
 * - DeleteObjects takes 1,000 keys, answers 200 even if keys could not be deleted, and its XML cannot carry
 *   control characters: such a key is deleted alone, in the path of DeleteObject. For the same reason lists are
 *   requested with encoded keys.
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
      // No byte of an empty object can be read. A host could use one to delay its own closing.
      if (error instanceof Error && error.name === 'InvalidRange') return undefined;
      throw error;
    }
  }

  /** Always reads from the beginning: what was listed before has been deleted. */
  async function firstKeys(prefix: string): Promise<{ keys: string[]; more: boolean }> {
    const page = await client.send(
      new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, EncodingType: 'url' }),
    );
    const keys = (page.Contents ?? []).flatMap(({ Key }) => (Key ? [decodeKey(Key)] : []));
    return { keys, more: page.IsTruncated === true };
  }

  async function deleteAll(keys: readonly string[]): Promise<void> {
    if (keys.length === 0) return;
    const { Errors = [] } = await client.send(
      new DeleteObjectsCommand({
        Bucket: bucket,
        Delete: { Objects: keys.map((key) => ({ Key: key })), Quiet: true },
      }),
    );
    const [first] = Errors;
    if (first) throw notCleared(`S3 refused to delete ${Errors.length} of its objects (${first.Code}).`);
  }

  async function deleteEach(keys: readonly string[]): Promise<void> {
    for (const key of keys.slice(0, MAX_CLEARED_ONE_BY_ONE)) {
      await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }));
    }
    if (keys.length > MAX_CLEARED_ONE_BY_ONE) throw notCleared('It holds more than is deleted at once.');
  }

  /** Returns the object's tag; undefined: another object is there. */
  async function putOver(at: Place, body: string, before: string | undefined): Promise<string | undefined> {
    const condition = before === undefined ? { IfNoneMatch: '*' } : { IfMatch: before };
    try {
      const { ETag } = await client.send(
        new PutObjectCommand({ ...at, ...condition, Body: body, ContentType: 'application/json' }),
      );
      if (ETag === undefined) throw new Error('S3 stored a deployment spec without a tag');
      return ETag;
    } catch (error) {
      if (error instanceof S3ServiceException && isOtherThere.has(error.name)) return undefined;
      throw error;
    }
  }

  async function tagAt(at: Place): Promise<string | undefined> {
    try {
      return (await client.send(new HeadObjectCommand(at))).ETag;
    } catch (error) {
      // Without a body the answer has no code for it.
      if (error instanceof S3ServiceException && error.name === 'NotFound') return undefined;
      throw error;
    }
  }

  return withAwsErrors('S3', {
    async writeSpec(instanceId, spec, before) {
      const at = { Bucket: bucket, Key: mailboxPrefix(hostRoleId, instanceId) + mailboxFiles.spec };
      const body = JSON.stringify(spec);
      let found = before;
      for (let tries = 0; tries < WRITE_TRIES; tries += 1) {
        const tag = await putOver(at, body, found);
        if (tag !== undefined) return tag;
        found = await tagAt(at);
      }
      throw new EphError('transient', 'mailbox_changes', 'The mailbox of the machine changes all the time.');
    },

    progress: (instanceId) => readReport(instanceId, mailboxFiles.progress, progressSchema),
    result: (instanceId) => readReport(instanceId, mailboxFiles.result, resultSchema),

    async clear(instanceId) {
      const prefix = mailboxPrefix(hostRoleId, instanceId);
      for (let cleared = 0; cleared < MAX_CLEARED_OBJECTS; ) {
        const { keys, more } = await firstKeys(prefix);
        await deleteAll(keys.filter((key) => !hasNoXml.test(key)));
        await deleteEach(keys.filter((key) => hasNoXml.test(key)));
        if (!more) return;
        cleared += keys.length;
      }
      throw notCleared('It holds more than is deleted at once.');
    },

    async list() {
      const prefix = mailboxPrefix(hostRoleId, '').slice(0, -1);
      const found: string[] = [];
      for await (const page of paginateListObjectsV2(
        { client },
        { Bucket: bucket, Prefix: prefix, Delimiter: '/' },
      )) {
        for (const { Prefix } of page.CommonPrefixes ?? []) {
          if (Prefix) found.push(Prefix.slice(prefix.length, -1));
        }
      }
      return found;
    },
  });
}

interface Place {
  Bucket: string;
  Key: string;
}

/**
 * S3's answers if the condition of a write does not hold, the object is gone, or another write is under way.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
 */
const isOtherThere = new Set(['PreconditionFailed', 'NoSuchKey', 'ConditionalRequestConflict']);

/** More than what XML cannot carry: a key that is not certain is deleted alone, too. */
export const hasNoXml = /[\p{Cc}\ufffe\uffff]/u;

/** `encoding-type=url` writes a space as a plus. */
export function decodeKey(key: string): string {
  return decodeURIComponent(key.replaceAll('+', ' '));
}

function notCleared(why: string): EphError {
  return new EphError(
    'transient',
    'mailbox_not_cleared',
    `The mailbox of the machine is not empty yet. ${why}`,
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
