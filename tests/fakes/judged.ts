import { desired } from '#core/desired';
import type { EnvironmentState } from '#core/environment';

/** With what it should be by what stands in it, as a look at it would leave it; a test may say another reason. */
export function judged(state: EnvironmentState): EnvironmentState {
  if (state.wanted?.level === 'absent') return state;
  const { level, reason } = desired({ state }, { terminateAfter: 0, listed: true }, 0);
  return { ...state, wanted: { level, reason } };
}
