import { desired } from '#core/desired';
import type { EnvironmentState } from '#core/environment';

/** Adds what the state should be, as a reconcile would leave it; a test may give another reason. */
export function judged(state: EnvironmentState): EnvironmentState {
  if (state.wanted?.level === 'absent') return state;
  const { level, reason } = desired({ state }, { terminateAfter: 0, listed: true }, 0);
  return { ...state, wanted: { level, reason } };
}
