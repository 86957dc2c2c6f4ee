import { GetObjectCommand, PutObjectCommand, S3Client, S3ServiceException } from '@aws-sdk/client-s3';
import * as v from 'valibot';
import {
  type LastUse,
  lastUseSchema,
  type MailboxSpec,
  mailboxFiles,
  mailboxPrefix,
  mailboxSpecSchema,
  type Progress,
  progressSchema,
  type Result,
  resultSchema,
} from '../lambdas/providers/ec2/mailbox.ts';

/**
 * The host's side of its mailbox in S3.
 *
 * - Reading is conditional (`If-None-Match`): an unchanged deployment spec costs a request, not a parse.
 * - Writing never gives up: the newest body of each file is tried until it is stored, with back-off, because
 *   a lost `result.json` would leave a pull request "deploying" until the sweep. A newer body replaces one
 *   that is still waiting.
 * - Reports are written through the schemas that the control plane reads them with, which cut what is too long. This
 *   is the last step, because a secret can only be removed from a whole text.
 * - Credentials come from the SDK's chain: on a host that is the instance's role through IMDSv2.
 */
export type ReadSpec =
  | { kind: 'none' }
  | { kind: 'unchanged' }
  | { kind: 'spec'; spec: MailboxSpec }
  /** The mailbox holds something that this agent does not understand. */
  | { kind: 'unreadable'; problem: string };

export interface Mailbox {
  /** Throws on a network or S3 error; the caller asks again anyway. */
  read(): Promise<ReadSpec>;
  writeProgress(progress: Progress): void;
  /** Resolves when this result, or a newer one, is stored. */
  writeResult(result: Result): Promise<void>;
  writeLastUse(lastUse: LastUse): void;
  writeLog(text: string): void;
  /** Resolves when everything that was written is stored. */
  settled(): Promise<void>;
}

export interface MailboxDeps {
  store: ObjectStore;
  sleep(ms: number): Promise<void>;
  onProblem(problem: string): void;
}

/** What the mailbox needs of S3. */
export interface ObjectStore {
  get(name: string, knownTag: string | undefined): Promise<StoredObject>;
  put(name: string, body: string, type: string): Promise<void>;
}
export type StoredObject =
  | { kind: 'missing' }
  | { kind: 'same' }
  | { kind: 'found'; body: string; tag: string | undefined };

const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 30_000;

export function createMailbox({ store, sleep, onProblem }: MailboxDeps): Mailbox {
  let knownTag: string | undefined;
  const waiting = new Map<string, { body: string; type: string }>();
  const writers = new Map<string, Promise<void>>();

  async function drain(name: string): Promise<void> {
    let delay = FIRST_RETRY_MS;
    for (let next = waiting.get(name); next; next = waiting.get(name)) {
      try {
        await store.put(name, next.body, next.type);
        if (waiting.get(name) === next) waiting.delete(name);
        delay = FIRST_RETRY_MS;
      } catch (error) {
        onProblem(`${name} could not be stored, trying again in ${delay} ms: ${messageOf(error)}`);
        await sleep(delay);
        delay = Math.min(delay * 2, LONGEST_RETRY_MS);
      }
    }
  }
  function write(name: string, body: string, type: string): Promise<void> {
    waiting.set(name, { body, type });
    const under = writers.get(name);
    if (under) return under;
    const writer = drain(name).finally(() => writers.delete(name));
    writers.set(name, writer);
    return writer;
  }
  function writeReport<T>(name: string, schema: v.GenericSchema<T>, report: T): Promise<void> {
    const fitted = v.safeParse(schema, report);
    if (!fitted.success) onProblem(`${name} has an unexpected ${places(fitted.issues)}`);
    return write(name, JSON.stringify(fitted.success ? fitted.output : report), 'application/json');
  }

  return {
    async read() {
      const found = await store.get(mailboxFiles.spec, knownTag);
      if (found.kind === 'missing') return { kind: 'none' };
      if (found.kind === 'same') return { kind: 'unchanged' };
      knownTag = found.tag;
      return parseSpec(found.body);
    },
    writeProgress: (progress) => void writeReport(mailboxFiles.progress, progressSchema, progress),
    writeResult: (result) => writeReport(mailboxFiles.result, resultSchema, result),
    writeLastUse: (lastUse) => void writeReport(mailboxFiles.lastUse, lastUseSchema, lastUse),
    writeLog: (text) => void write(mailboxFiles.log, text, 'text/plain; charset=utf-8'),
    async settled() {
      while (writers.size > 0) await Promise.all(writers.values());
    },
  };
}

function parseSpec(body: string): ReadSpec {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return { kind: 'unreadable', problem: 'the deployment spec is not JSON' };
  }
  const parsed = v.safeParse(mailboxSpecSchema, value);
  if (parsed.success) return { kind: 'spec', spec: parsed.output };
  return { kind: 'unreadable', problem: `the deployment spec has unexpected ${places(parsed.issues)}` };
}

/** Gives the places of the errors, not the values there: a deployment spec holds secrets. */
function places(issues: readonly v.BaseIssue<unknown>[]): string {
  return [...new Set(issues.map((issue) => v.getDotPath(issue) ?? 'whole'))].join(', ');
}

export function createS3Store(options: {
  bucket: string;
  region: string;
  hostRoleId: string;
  instanceId: string;
}): ObjectStore {
  const endpoint = process.env['AWS_ENDPOINT_URL_S3'] ?? process.env['AWS_ENDPOINT_URL'];
  const client = new S3Client({
    region: options.region,
    maxAttempts: 3,
    // Stand-ins for S3 have no wildcard hostnames.
    ...(endpoint ? { endpoint, forcePathStyle: true } : {}),
  });
  const prefix = mailboxPrefix(options.hostRoleId, options.instanceId);
  const at = (name: string) => ({ Bucket: options.bucket, Key: prefix + name });
  return {
    async get(name, knownTag) {
      try {
        const found = await client.send(
          new GetObjectCommand({ ...at(name), ...(knownTag ? { IfNoneMatch: knownTag } : {}) }),
        );
        return { kind: 'found', body: (await found.Body?.transformToString()) ?? '', tag: found.ETag };
      } catch (error) {
        const status = error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
        if (status === 304) return { kind: 'same' };
        // Without the right to list, S3 answers 403 for an object that does not exist yet.
        if (status === 404 || (status === 403 && knownTag === undefined && isAccessDenied(error))) {
          return { kind: 'missing' };
        }
        throw error;
      }
    },
    async put(name, body, type) {
      await client.send(new PutObjectCommand({ ...at(name), Body: body, ContentType: type }));
    },
  };
}

function isAccessDenied(error: unknown): boolean {
  return error instanceof Error && error.name === 'AccessDenied';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
