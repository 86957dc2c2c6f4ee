import type { EnvironmentState } from './environment.ts';
import { omit } from './lifecycle.ts';
import { MAX_TIMERS_IN_A_ROW } from './limits.ts';

/** By anything else than a timer of its own (a webhook, a report, the sweep) a row is woken as if for the first time. */
export function countTimers(state: EnvironmentState, ownTimer: boolean): EnvironmentState {
  if (ownTimer) return { ...state, timersInARow: (state.timersInARow ?? 0) + 1 };
  return omit(state, 'timersInARow');
}

/** Otherwise the row's next look is left to the sweep. */
export function maySendTimer({ timersInARow = 0 }: EnvironmentState): boolean {
  return timersInARow < MAX_TIMERS_IN_A_ROW;
}
