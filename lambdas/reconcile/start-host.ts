import { omit } from '#core/lifecycle';
import type { Run, StepResult } from './run.ts';

/**
 * Switches a stopped machine on again: the same disk, and with it the same data and images. The agent starts what is
 * on it by itself and reports; only another commit, or another address, is another order.
 */
export async function startHost(run: Run): Promise<StepResult> {
  const { state } = run.row;
  const { ports } = run.world;
  if (!state.host?.instanceId) return { state: omit(state, 'host'), outcome: 'no machine to start' };
  await ports.machines.start(state.host.instanceId);
  const now = ports.now();
  // It was up before: a row of the version before does not say whether it ever reported, so its disk counts as used.
  const host = {
    ...state.host,
    power: 'on' as const,
    startedAt: now,
    heard: false,
    everHeard: true as const,
  };
  return { state: { ...omit(state, 'serving'), host }, outcome: state.host.instanceId };
}
