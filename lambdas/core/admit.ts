import type { Desired } from './desired.ts';
import { canRevive, type EnvironmentState, hasFailed } from './environment.ts';
import { PAUSED_RECHECK } from './limits.ts';

/**
 * Whether an environment that should serve may be switched on now. "Not now" is not a level: nothing is taken from the
 * environment. An environment whose machine is already running needs no admission.
 */
export type Admission =
  | { kind: 'admitted' }
  | { kind: 'held'; why: 'launches-paused' | 'nothing-but-a-failed-commit'; recheckAt?: number };

export function admit(
  state: Pick<EnvironmentState, 'paused' | 'failure' | 'onDisk' | 'order'>,
  { level, commit }: Desired,
  now: number,
): Admission {
  if (level !== 'serving') return { kind: 'admitted' };
  if (hasFailed(state, commit) && !canRevive(state))
    return { kind: 'held', why: 'nothing-but-a-failed-commit' };
  if (state.paused) return { kind: 'held', why: 'launches-paused', recheckAt: now + PAUSED_RECHECK };
  return { kind: 'admitted' };
}
