import { EphError } from '#core/failure';
import type { Run, StepResult } from './run.ts';

/** Notifies the agent of a running host to read its mailbox, which has the deployment spec already. */
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
