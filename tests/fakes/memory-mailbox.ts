import * as v from 'valibot';
import {
  MAX_REPORT_BYTES,
  mailboxFiles,
  mailboxPrefix,
  type Order,
  orderSchema,
  progressSchema,
  resultSchema,
} from '#core/mailbox';
import type { Mailbox } from '../../lambdas/ports.ts';

export interface MemoryMailbox extends Mailbox {
  /** What a host does: any text under its own prefix. */
  report(instanceId: string, file: 'progress' | 'result', body: string): void;
  order(instanceId: string): Order | undefined;
  objects(): string[];
  /** S3 does not answer reads. */
  unreadable: boolean;
}

interface MailboxOptions {
  roleId: string;
  now(): number;
  onMail(instanceId: string): void;
  /** S3's notification for a report. */
  onReport(key: string): void;
}

/** The bucket in memory. Orders are checked against the wire contract on the way in, as a host would. */
export function memoryMailbox(options: MailboxOptions): MemoryMailbox {
  const objects = new Map<string, { body: string; at: number }>();
  const keyOf = (instanceId: string, file: keyof typeof mailboxFiles) =>
    mailboxPrefix(options.roleId, instanceId) + mailboxFiles[file];
  const instanceOf = (key: string) => key.slice(key.indexOf(':') + 1, key.lastIndexOf('/'));
  const parsed = <T extends v.GenericSchema>(key: string, schema: T): v.InferOutput<T> | undefined => {
    const body = objects.get(key)?.body.slice(0, MAX_REPORT_BYTES);
    if (body === undefined) return undefined;
    try {
      const report = v.safeParse(schema, JSON.parse(body));
      return report.success ? report.output : undefined;
    } catch {
      return undefined;
    }
  };
  const box: MemoryMailbox = {
    unreadable: false,
    async mail(instanceId, order) {
      const body = JSON.stringify(v.parse(orderSchema, order));
      objects.set(keyOf(instanceId, 'order'), { body, at: options.now() });
      options.onMail(instanceId);
    },
    async progress(instanceId) {
      if (box.unreadable) throw new Error('S3 is down');
      return parsed(keyOf(instanceId, 'progress'), progressSchema);
    },
    async result(instanceId) {
      if (box.unreadable) throw new Error('S3 is down');
      return parsed(keyOf(instanceId, 'result'), resultSchema);
    },
    async clear(instanceId) {
      for (const key of [...objects.keys()]) if (instanceOf(key) === instanceId) objects.delete(key);
    },
    async list() {
      const newest = new Map<string, number>();
      for (const [key, { at }] of objects) {
        newest.set(instanceOf(key), Math.max(at, newest.get(instanceOf(key)) ?? 0));
      }
      return [...newest].map(([instanceId, at]) => ({ instanceId, at }));
    },
    report(instanceId, file, body) {
      const key = keyOf(instanceId, file);
      objects.set(key, { body, at: options.now() });
      options.onReport(key);
    },
    order: (instanceId) => parsed(keyOf(instanceId, 'order'), orderSchema),
    objects: () => [...objects.keys()],
  };
  return box;
}
