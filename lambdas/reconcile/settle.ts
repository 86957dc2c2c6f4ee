import { enterPhase } from '#core/environment';
import { omit } from '#core/lifecycle';
import { TOMBSTONE_SECONDS } from '#core/limits';
import type { Run, StepResult } from './run.ts';

/** Nothing is left to take away. A destroyed row stays as a tombstone for late messages. */
export async function settle(run: Run, phase: 'declined' | 'destroyed'): Promise<StepResult> {
  const now = run.world.ports.now();
  const state = omit(run.row.state, 'order', 'serving', 'failure', 'unfinishedSince', 'timings', 'forgetAt');
  const { report } = state.retries;
  const cleared = { ...state, services: [], warnings: [], retries: report ? { report } : {} };
  const forget = phase === 'destroyed' ? { forgetAt: Math.floor(now / 1_000) + TOMBSTONE_SECONDS } : {};
  return { state: enterPhase({ ...cleared, ...forget }, phase, now), outcome: phase };
}
