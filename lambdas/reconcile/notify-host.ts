import { EphError } from '#core/failure';
import type { Run, StepResult } from './run.ts';

/** Wakes the agent of a running host. The deployment spec is in its mailbox already; the notification only makes it read. */
export async function notifyHost(run: Run): Promise<StepResult> {
  const { state } = run.row;
  const { host, order } = state;
  if (!host || !order) return { state, outcome: 'nobody to notify' };
  const notified = await run.deps.ports.compute.notify(host.handle, order.generation);
  if (!notified) {
    throw new EphError('transient', 'host_not_reachable', 'The machine’s command agent does not answer yet.');
  }
  return { state: { ...state, order: { ...order, rung: true } }, outcome: `generation ${order.generation}` };
}
