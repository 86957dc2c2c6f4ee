import { everyPage } from '../../store/every-page.ts';
import type { Table } from '../../store/table.ts';
import type { Write } from '../../store/write.ts';
import type { Hosts } from './ec2-ports.ts';
import { hostWrites } from './host-writes.ts';

/**
 * The table that leads from a machine to its environment, over any table.
 *
 * @param held hosts whose reports this process drops without a call, and until when
 */
export function hostRows(table: Table, now: () => number, held = new Map<string, number>()): Hosts {
  function remember(instanceId: string, until: number, at: number): void {
    for (const [id, over] of held) if (over <= at) held.delete(id);
    held.set(instanceId, until);
  }

  /** Returns the environment of the host if the write was made. */
  async function pay(write: Write): Promise<string | undefined> {
    const host = await table.update(write);
    return host && String(host['environment']);
  }

  return {
    putHost: (instanceId, environment, since) => table.put({ instanceId, environment, since, v: 1 }),

    async environmentOfHost(instanceId) {
      const host = await table.read(instanceId);
      return host && String(host['environment']);
    },

    async admitReport(instanceId, at) {
      if ((held.get(instanceId) ?? 0) > at) return { kind: 'dropped' };
      const first = await pay(hostWrites.payWhenQuiet(instanceId, at));
      if (first) return { kind: 'admitted', environment: first };

      const host = await table.read(instanceId);
      if (!host) return { kind: 'stranger' };
      const heldUntil = Number(host['reportsHeldUntil'] ?? 0);
      if (heldUntil > at) {
        remember(instanceId, heldUntil, at);
        return { kind: 'dropped' };
      }
      const ahead = await pay(hostWrites.payAhead(instanceId, at));
      if (ahead) return { kind: 'admitted', environment: ahead };
      return { kind: 'postponed', environment: String(host['environment']) };
    },

    async holdReports(instanceId, until) {
      remember(instanceId, until, now());
      await table.update(hostWrites.hold(instanceId, until));
    },

    forgetHost: (instanceId) => table.delete({ key: instanceId }),

    async hosts() {
      const items = await everyPage((from) => table.scan(from));
      return items.map(({ instanceId, environment, since }) => ({
        instanceId: String(instanceId),
        environment: String(environment),
        since: Number(since),
      }));
    },
  };
}
