import * as v from 'valibot';
import { EphError } from '#core/failure';
import { MAX_CLEARED_OBJECTS } from '#core/limits';
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
  /** Nothing that anybody waits for: any object under its prefix. */
  fill(instanceId: string, names: readonly string[]): void;
  order(instanceId: string): Order | undefined;
  objects(): string[];
  /** S3 does not answer reads. */
  unreadable: boolean;
}

interface MailboxOptions {
  roleId: string;
  onMail(instanceId: string): void;
  /** S3's notification for a report. */
  onReport(key: string): void;
}

/** The bucket in memory. Orders are checked against the wire contract on the way in, as a host would. */
export function memoryMailbox(options: MailboxOptions): MemoryMailbox {
  const objects = new Map<string, string>();
  const keyOf = (instanceId: string, file: keyof typeof mailboxFiles) =>
    mailboxPrefix(options.roleId, instanceId) + mailboxFiles[file];
  const instanceOf = (key: string) => key.slice(key.indexOf(':') + 1, key.indexOf('/', key.indexOf(':')));
  const parsed = <T extends v.GenericSchema>(key: string, schema: T): v.InferOutput<T> | undefined => {
    const body = objects.get(key)?.slice(0, MAX_REPORT_BYTES);
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
      objects.set(keyOf(instanceId, 'order'), body);
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
      const prefix = mailboxPrefix(options.roleId, instanceId);
      const mine = [...objects.keys()].filter((key) => key.startsWith(prefix));
      for (const key of mine.slice(0, MAX_CLEARED_OBJECTS)) objects.delete(key);
      if (mine.length <= MAX_CLEARED_OBJECTS) return;
      throw new EphError('transient', 'mailbox_not_cleared', 'The mailbox of the machine is not empty yet.');
    },
    async list() {
      return [...new Set([...objects.keys()].map(instanceOf))];
    },
    report(instanceId, file, body) {
      const key = keyOf(instanceId, file);
      objects.set(key, body);
      options.onReport(key);
    },
    fill(instanceId, names) {
      const prefix = mailboxPrefix(options.roleId, instanceId);
      for (const name of names) objects.set(prefix + name, '');
    },
    order: (instanceId) => parsed(keyOf(instanceId, 'order'), orderSchema),
    objects: () => [...objects.keys()],
  };
  return box;
}
