import type { EnvironmentState, Phase, Row } from './environment.ts';
import { STUCK_AFTER } from './limits.ts';

/** In the others something is under way, or should be. */
const settled: readonly Phase[] = ['ready', 'declined', 'failed', 'stopped', 'destroyed'];

/** Keys of the environments that nobody but the operator will get any further, at this rate. */
export function findStuck(rows: readonly Row[], now: number): string[] {
  return rows.filter((row) => isStuck(row, now)).map(({ key }) => key);
}

function isStuck({ state, nextLookAt }: Row, now: number): boolean {
  // The sweep wakes what is due every 15 minutes: nobody hears it, or every look dies.
  if (nextLookAt !== undefined && now - nextLookAt > STUCK_AFTER) return true;
  if (settled.includes(state.phase) || isPaused(state) || isDiskKept(state)) return false;
  const progressAt = Math.min(lastProgress(state), failingSince(state));
  return progressAt > 0 && now - progressAt > STUCK_AFTER;
}

/** It waits for the operator, who knows. */
function isPaused({ phase, paused }: EnvironmentState): boolean {
  return phase === 'queued' && paused !== undefined;
}

/** Closed, nothing left but a disk that waits for a reopening. */
function isDiskKept({ phase, host, ingress }: EnvironmentState): boolean {
  return phase === 'destroying' && host?.power === 'off' && !ingress;
}

/** Each new attempt at a machine looks like progress; that no attempt goes through does not. */
function failingSince({ retries }: EnvironmentState): number {
  return Math.min(...Object.values(retries).map(({ since = Number.POSITIVE_INFINITY }) => since));
}

/** 0: nothing was ever written of it. */
function lastProgress({ phaseSince, host, order }: EnvironmentState): number {
  return Math.max(phaseSince, host?.startedAt ?? 0, order?.mailedAt ?? 0);
}
