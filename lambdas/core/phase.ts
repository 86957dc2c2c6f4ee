import type { Admission } from './admit.ts';
import type { Desired } from './desired.ts';
import { type EnvironmentState, hasFailed, ownsAnything, type Phase } from './environment.ts';
import { isUnfinished } from './lifecycle.ts';

/**
 * The name of the phase that an environment is in, for people. Pure, derived from what is desired and what exists;
 * the row keeps it for display (`make trace`, the dashboard), and nothing is decided by it.
 */
export function phaseOf(state: EnvironmentState, desired: Desired, admission: Admission): Phase {
  if (!state.pull) return state.forgetAt === undefined ? 'new' : 'destroyed';
  switch (desired.level) {
    case 'absent':
      if (ownsAnything(state)) return 'destroying';
      return isDeclined(state) ? 'declined' : 'destroyed';
    case 'cold':
      return ownsAnything(state) ? 'destroying' : 'cold';
    case 'asleep':
      return sleepingPhase(state, desired);
    case 'serving':
      return servingPhase(state, desired, admission);
  }
}

/** The pull request is open and declined for what it is: it may be wanted at any time. */
function isDeclined({ pull, away, paused }: EnvironmentState): boolean {
  return pull?.state === 'open' && !pull.archived && !away && paused !== 'closed';
}

function sleepingPhase(state: EnvironmentState, { commit }: Desired): Phase {
  if (isRunning(state)) return 'stopping';
  if (hasSlept(state)) return 'stopped';
  return hasFailed(state, commit) ? 'failed' : 'queued';
}

function servingPhase(state: EnvironmentState, { commit }: Desired, admission: Admission): Phase {
  const { order, serving, host } = state;
  if (hasFailed(state, commit)) return 'failed';
  if (!isRunning(state)) {
    if (admission.kind === 'held') return hasSlept(state) ? 'stopped' : 'queued';
    const lacksRoom = [state.retries['launch-host'], state.retries['start-host']].some(
      (one) => one?.capacity,
    );
    if (lacksRoom) return 'queued';
    return host?.power === 'off' ? 'waking' : 'provisioning';
  }
  if (!order) return host?.everHeard && !host.heard ? 'waking' : 'provisioning';
  if (order.sha === commit && order.finished === 'ready') return serving ? 'ready' : 'waking';
  if (isUnfinished(order) || serving) return serving ? 'updating' : 'deploying';
  return 'deploying';
}

/** The host must still have its address: an environment that was closed meanwhile waits for a new one. */
function hasSlept({ host, ingress }: EnvironmentState): boolean {
  return host?.power === 'off' && ingress !== undefined;
}

function isRunning({ host }: EnvironmentState): boolean {
  return host?.power === 'on';
}
