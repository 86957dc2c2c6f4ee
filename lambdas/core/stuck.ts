import type { EnvironmentState, Phase, Row } from './environment.ts';
import { STUCK_AFTER } from './limits.ts';

/** In every other phase something is under way, or should be. */
const settled: readonly Phase[] = ['ready', 'declined', 'failed', 'stopped', 'destroyed'];

/** Keys of the environments that make no progress without the operator. */
export function findStuck(rows: readonly Row[], now: number): string[] {
  return rows.filter((row) => isStuck(row, now)).map(({ key }) => key);
}

function isStuck({ state, nextLookAt }: Row, now: number): boolean {
  // The sweep wakes what is due every 15 minutes: either no wake arrives, or every run dies.
  if (nextLookAt !== undefined && now - nextLookAt > STUCK_AFTER) return true;
  if (settled.includes(state.phase) || isPaused(state) || isDiskKept(state)) return false;
  const progressAt = Math.min(lastProgress(state), failingSince(state));
  return progressAt > 0 && now - progressAt > STUCK_AFTER;
}

/** It waits for the operator, who has paused it. */
function isPaused({ phase, paused }: EnvironmentState): boolean {
  return phase === 'queued' && paused !== undefined;
}

/** It is closed, and only a disk is left, which is kept in case of a reopening. */
function isDiskKept({ phase, host, ingress }: EnvironmentState): boolean {
  return phase === 'destroying' && host?.power === 'off' && !ingress;
}

/** Each new attempt to launch a machine looks like progress, although no attempt succeeds; the retries show that. */
function failingSince({ retries }: EnvironmentState): number {
  return Math.min(...Object.values(retries).map(({ since = Number.POSITIVE_INFINITY }) => since));
}

/** 0: no progress was ever recorded. */
function lastProgress({ phaseSince, host, order }: EnvironmentState): number {
  return Math.max(phaseSince, host?.startedAt ?? 0, order?.mailedAt ?? 0);
}
