import type { EnvironmentState } from '#core/environment';
import type { Holder, Release } from '../../lambdas/ports.ts';

/** Who has taken that lease, at its first write. */
export function holder(leaseId: string, write = 1): Holder {
  return { leaseId, write };
}

/** What is left by one who has acted on all that it read. */
export function leaving(wakes: number, state: EnvironmentState, nextLookAt?: number): Release {
  return { wakes, state, nextLookAt, acted: true };
}
