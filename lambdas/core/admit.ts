import type { Desired } from './desired.ts';
import { canRevive, type EnvironmentState, hasFailed } from './environment.ts';
import { PAUSED_RECHECK } from './limits.ts';

/**
 * Whether an environment that should serve may be switched on now. "Not now" is no level: nothing is taken from it,
 * and whose machine runs already is not asked.
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
