import { omit } from '#core/lifecycle';
import { adoptLaunch } from './adopt-launch.ts';
import type { Run, StepResult } from './run.ts';

/**
 * The machine, its disk, its mailbox and its row. Repeating it after a crash anywhere in between is harmless,
 * and so is doing it for a machine that somebody else terminated: then only what is left of it goes.
 */
export async function terminateHost(run: Run): Promise<StepResult> {
  const gone = await removeHost(run);
  const state = omit(run.row.state, 'host', 'order', 'serving', 'onDisk', 'unfinishedSince');
  return { state, outcome: gone ?? 'nothing was launched' };
}

export async function removeHost(run: Run): Promise<string | undefined> {
  const { ports } = run.world;
  const host = await adoptLaunch(run);
  if (!host) return undefined;
  await ports.machines.terminate(host.instanceId);
  await ports.mailbox.clear(host.instanceId);
  await ports.records.forgetHost(host.instanceId);
  return host.instanceId;
}
