import { join } from 'node:path';
import { MAILBOX_VERSION } from '../lambdas/providers/ec2/mailbox.ts';
import type { AgentDisk } from './agent-disk.ts';
import { createTail, lastUse, nothingSeen, readAccessLog } from './last-use.ts';
import type { Log } from './log.ts';
import type { Mailbox } from './mailbox.ts';
import type { ProxyAdmin } from './proxy-admin.ts';

/**
 * Reports the last use to the mailbox (the report decides when the environment is put to sleep), and is the dead-man
 * timer: the machine switches itself off when, for `idleStopSeconds`, nobody has used it and the control plane (gone,
 * or no longer aware of the machine) has sent nothing.
 */
export interface LastUseWatch {
  /** The agent received a message; a deployment spec also says how long the machine may be idle. */
  heard(idleStopSeconds: number | undefined): void;
  run(isBusy: () => boolean): Promise<void>;
  stop(): void;
}

const LOOK_EVERY_MS = 20_000;
/** Each report starts a function of the control plane; the decision to sleep is made in hours. */
const REPORT_EVERY_MS = 5 * 60_000;

export interface LastUseDeps {
  disk: Pick<AgentDisk, 'proxy'>;
  mailbox: Pick<Mailbox, 'writeLastUse'>;
  proxy: Pick<ProxyAdmin, 'openRequests'>;
  log: Log;
  now(): number;
  sleep(ms: number): Promise<void>;
  powerOff(reason: string): Promise<void>;
}

export function createLastUseWatch(deps: LastUseDeps): LastUseWatch {
  const tail = createTail(join(deps.disk.proxy.log, 'access.log'));
  let seen = nothingSeen;
  let heardAt = deps.now();
  let idleStopMs: number | undefined;
  let reportedAt = 0;
  let reportedUse = 0;
  let stopped = false;

  async function look(isBusy: boolean): Promise<void> {
    seen = readAccessLog(seen, await tail());
    const open = await deps.proxy.openRequests().catch(() => 0);
    const now = deps.now();
    const used = lastUse(seen, open, now);
    if (used > reportedUse && now - reportedAt >= REPORT_EVERY_MS) {
      reportedAt = now;
      reportedUse = used;
      deps.mailbox.writeLastUse({ v: MAILBOX_VERSION, at: now, lastUseAt: used });
    }
    const silentMs = now - Math.max(heardAt, used);
    if (isBusy || idleStopMs === undefined || silentMs < idleStopMs) return;
    stopped = true;
    const reason = `neither used nor spoken to for ${Math.round(silentMs / 60_000)} minutes`;
    deps.log.event('switching off', { reason });
    await deps.powerOff(reason);
  }

  return {
    heard(idleStopSeconds) {
      heardAt = deps.now();
      if (idleStopSeconds !== undefined) idleStopMs = idleStopSeconds * 1_000;
    },
    async run(isBusy) {
      while (!stopped) {
        await deps.sleep(LOOK_EVERY_MS);
        if (stopped) return;
        await look(isBusy()).catch((error: unknown) =>
          deps.log.event('last use is unknown', { problem: String(error) }),
        );
      }
    },
    stop() {
      stopped = true;
    },
  };
}
