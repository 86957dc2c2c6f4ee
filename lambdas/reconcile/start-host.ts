import { enterPhase } from '#core/environment';
import { omit } from '#core/lifecycle';
import type { Run, StepResult } from './run.ts';

/** Switches a stopped machine on again: the same disk, and with it the same data and images. */
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
  // What it was told before it slept may name a tunnel that is gone: it gets a new order.
  const next = { ...omit(state, 'order', 'serving', 'unfinishedSince'), host };
  return { state: enterPhase(next, 'provisioning', now), outcome: state.host.instanceId };
}
