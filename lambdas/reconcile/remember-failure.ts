import { cutText } from '#core/cut-text';
import type { EnvironmentState } from '#core/environment';
import type { EphError } from '#core/failure';
import { omit, type Step } from '#core/lifecycle';
import { backoff, CAPACITY_RETRY, MAX_REASON_BYTES } from '#core/limits';

const deploySteps: readonly string[] = [
  'read-settings',
  'launch-host',
  'start-host',
  'open-address',
  'write-spec',
  'notify-host',
] satisfies Step['kind'][];

/**
 * Puts a step's error into the row. Permanent is permanent only while deploying: removing and reporting are retried for
 * ever, because giving up on them would leave a machine that costs money, or a report that is wrong.
 */
export function rememberFailure(
  state: EnvironmentState,
  step: Step['kind'] | 'observe',
  error: EphError,
  now: number,
): EnvironmentState {
  const before = state.retries[step];
  const count = (before?.count ?? 0) + 1;
  const since = before?.since ?? now;
  const { code, sentence, retryAfter } = error;
  const said = { code, sentence: cutText(sentence, MAX_REASON_BYTES) };
  const noRoom = error.kind === 'capacity' ? { capacity: true as const } : {};
  const holdBack = (wait: number): EnvironmentState['retries'] => ({
    ...state.retries,
    [step]: { count, since, ...said, notBefore: now + wait, insisted: retryAfter !== undefined, ...noRoom },
  });

  if (error.kind === 'permanent' && deploySteps.includes(step) && state.pull) {
    const failure = { code, sentence, sha: state.pull.sha, at: now, log: [] };
    const retries = clearRetry(state, step).retries;
    return { ...omit(state, 'unfinishedSince'), retries, failure };
  }
  if (error.kind === 'capacity') {
    // The vendor certainly refused, so nothing was made: the next attempt may be made elsewhere. A machine that exists
    // and cannot be switched on is kept together with its disk.
    const kept = state.host?.power === 'unknown' ? omit(state, 'host') : state;
    return { ...kept, retries: holdBack(retryAfter ?? CAPACITY_RETRY) };
  }
  return { ...state, retries: holdBack(retryAfter ?? backoff(count)) };
}

/** A step that succeeds ends the retries of steps of its kind. */
export function clearRetry(state: EnvironmentState, step: string): EnvironmentState {
  if (!state.retries[step]) return state;
  const { [step]: _over, ...retries } = state.retries;
  return { ...state, retries };
}
