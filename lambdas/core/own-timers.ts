import type { EnvironmentState } from './environment.ts';
import { omit } from './lifecycle.ts';
import { MAX_TIMERS_IN_A_ROW } from './limits.ts';

/** Counts runs that the row's own timer started; any other cause (a webhook, a report, the sweep) resets the count. */
export function countTimers(state: EnvironmentState, ownTimer: boolean): EnvironmentState {
  if (ownTimer) return { ...state, timersInARow: (state.timersInARow ?? 0) + 1 };
  return omit(state, 'timersInARow');
}

/** If false, the row's next reconcile is left to the sweep. */
export function maySendTimer({ timersInARow = 0 }: EnvironmentState): boolean {
  return timersInARow < MAX_TIMERS_IN_A_ROW;
}
