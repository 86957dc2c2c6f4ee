import { createHash } from 'node:crypto';
import * as v from 'valibot';
import { EphError } from '#core/failure';
import { MAX_CLEARED_OBJECTS, WRITE_TRIES } from '#core/limits';
import type { Mailbox } from '../../lambdas/providers/ec2/ec2-ports.ts';
import {
  MAX_REPORT_BYTES,
  type MailboxSpec,
  mailboxFiles,
  mailboxPrefix,
  mailboxSpecSchema,
  progressSchema,
  resultSchema,
} from '../../lambdas/providers/ec2/mailbox.ts';
import { hasNoXml } from '../../lambdas/providers/ec2/s3-mailbox.ts';
import { atOnce, reading, type Wire, writing } from './wire.ts';

/** The number of objects that S3 lists in one answer, and deletes in one call. */
const LISTED = 1_000;

export interface MemoryMailbox extends Mailbox {
  over(wire: Wire): Mailbox;
  /** Writes as a host does: any text under its own prefix. */
  report(instanceId: string, file: 'progress' | 'result', body: string): void;
  /** Writes any object under the host's prefix, which no notification follows. */
  fill(instanceId: string, names: readonly string[]): void;
  spec(instanceId: string): MailboxSpec | undefined;
  objects(): string[];
  /** True: S3 does not answer reads. */
  unreadable: boolean;
}

interface MailboxOptions {
  roleId: string;
  onWrite(instanceId: string): void;
  /** S3's notification for a report. */
  onReport(key: string): void;
}

/** The bucket in memory. Specs are checked against the wire contract on the way in, as a host would. */
export function memoryMailbox(options: MailboxOptions): MemoryMailbox {
  const objects = new Map<string, string>();
  const keyOf = (instanceId: string, file: keyof typeof mailboxFiles) =>
    mailboxPrefix(options.roleId, instanceId) + mailboxFiles[file];
  const instanceOf = (key: string) => key.slice(key.indexOf(':') + 1, key.indexOf('/', key.indexOf(':')));
  const specs = readOnce(mailboxSpecSchema);
  const progresses = readOnce(progressSchema);
  const results = readOnce(resultSchema);
  const mailboxSpecOf = (instanceId: string) => specs(objects.get(keyOf(instanceId, 'spec')));
  const over = (wire: Wire): Mailbox => {
    const read = <T>(instanceId: string, answer: () => T) =>
      wire(reading('s3 GetObject', instanceId), () => {
        if (box.unreadable) throw new Error('S3 is down');
        return answer();
      });
    return {
      async writeSpec(instanceId, spec, before) {
        const body = JSON.stringify(v.parse(mailboxSpecSchema, spec));
        const key = keyOf(instanceId, 'spec');
        const putOver = (found: string | undefined) =>
          wire(writing('s3 PutObject', instanceId), () => {
            if (tagOf(objects.get(key)) !== found) return undefined;
            objects.set(key, body);
            options.onWrite(instanceId);
            return tagOf(body);
          });
        let found = before;
        for (let tries = 0; tries < WRITE_TRIES; tries += 1) {
          const tag = await putOver(found);
          if (tag !== undefined) return tag;
          found = await wire(reading('s3 HeadObject', instanceId), () => tagOf(objects.get(key)));
        }
        throw new EphError(
          'transient',
          'mailbox_changes',
          'The mailbox of the machine changes all the time.',
        );
      },
      progress: (instanceId) =>
        read(instanceId, () => progresses(objects.get(keyOf(instanceId, 'progress')))),
      result: (instanceId) => read(instanceId, () => results(objects.get(keyOf(instanceId, 'result')))),
      async clear(instanceId) {
        const prefix = mailboxPrefix(options.roleId, instanceId);
        for (let cleared = 0; cleared < MAX_CLEARED_OBJECTS; ) {
          const { keys, more } = await wire(reading('s3 ListObjectsV2', instanceId), () => {
            const mine = [...objects.keys()].filter((key) => key.startsWith(prefix));
            return { keys: mine.slice(0, LISTED), more: mine.length > LISTED };
          });
          await deleteKeys(wire, instanceId, keys);
          if (!more) return;
          cleared += keys.length;
        }
        const sentence = 'The mailbox of the machine is not empty yet.';
        throw new EphError('transient', 'mailbox_not_cleared', sentence);
      },
      async list() {
        const found: string[] = [];
        for (let from = 0; ; from += LISTED) {
          const page = await wire(reading('s3 ListObjectsV2'), () =>
            [...new Set([...objects.keys()].map(instanceOf))].slice(from, from + LISTED + 1),
          );
          found.push(...page.slice(0, LISTED));
          if (page.length <= LISTED) return found;
        }
      },
    };
  };
  /** Keys that XML cannot contain are deleted alone. */
  const deleteKeys = async (wire: Wire, instanceId: string, keys: readonly string[]): Promise<void> => {
    const together = keys.filter((key) => !hasNoXml.test(key));
    if (together.length > 0) {
      await wire(writing('s3 DeleteObjects', instanceId), () => {
        for (const key of together) objects.delete(key);
      });
    }
    for (const key of keys.filter((key) => hasNoXml.test(key))) {
      await wire(writing('s3 DeleteObject', instanceId), () => objects.delete(key));
    }
  };
  const box: MemoryMailbox = {
    unreadable: false,
    ...over(atOnce),
    over,
    report(instanceId, file, body) {
      const key = keyOf(instanceId, file);
      objects.set(key, body);
      options.onReport(key);
    },
    fill(instanceId, names) {
      const prefix = mailboxPrefix(options.roleId, instanceId);
      for (const name of names) objects.set(prefix + name, '');
    },
    spec: mailboxSpecOf,
    objects: () => [...objects.keys()],
  };
  return box;
}

function tagOf(body: string | undefined): string | undefined {
  return body === undefined ? undefined : `"${createHash('md5').update(body).digest('hex')}"`;
}

/** The parsed form of the last body, kept because several callers read what was just written. */
function readOnce<T extends v.GenericSchema>(
  schema: T,
): (body: string | undefined) => v.InferOutput<T> | undefined {
  let last: { body: string; read: v.InferOutput<T> | undefined } | undefined;
  return (body) => {
    if (body === undefined) return undefined;
    if (last?.body !== body) last = { body, read: readBody(schema, body.slice(0, MAX_REPORT_BYTES)) };
    return last.read;
  };
}

function readBody<T extends v.GenericSchema>(schema: T, body: string): v.InferOutput<T> | undefined {
  try {
    const report = v.safeParse(schema, JSON.parse(body));
    return report.success ? report.output : undefined;
  } catch {
    return undefined;
  }
}
