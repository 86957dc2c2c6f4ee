import type { EnvironmentState } from '#core/environment';
import type { Holder, Release } from '../../lambdas/ports.ts';

/** The run that has taken that lease, at its first write. */
export function holder(leaseId: string, write = 1): Holder {
  return { leaseId, write };
}

/** The release of a run that has acted on all that it read. */
export function leaving(wakes: number, state: EnvironmentState, nextLookAt?: number): Release {
  return { wakes, state, nextLookAt, acted: true };
}
