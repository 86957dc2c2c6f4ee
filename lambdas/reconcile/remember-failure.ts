import { hasRoomElsewhere } from '#core/capacity';
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
  'mail-order',
  'ring-host',
] satisfies Step['kind'][];

/**
 * A step's error into the row. Permanent is permanent only while deploying: taking away and telling people
 * are tried for ever, because giving up on them would leak a machine or a lie. `places`: how many there are to
 * try for a machine, one after the other and at once, before it is waited.
 */
export function rememberFailure(
  state: EnvironmentState,
  step: Step['kind'] | 'observe',
  error: EphError,
  places: number,
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
    // EC2 said no for certain, so nothing was launched: the next attempt may choose another zone. A machine
    // that exists and cannot be switched on (it is bound to its zone) is kept, and with it its disk.
    const kept = state.host?.instanceId ? state : omit(state, 'host');
    const goesOn = step === 'launch-host' && hasRoomElsewhere(code) && count % places !== 0;
    const wait = goesOn ? 0 : CAPACITY_RETRY;
    return { ...kept, retries: holdBack(retryAfter ?? wait) };
  }
  return { ...state, retries: holdBack(retryAfter ?? backoff(count)) };
}

/** A step that went through ends the retries that a step like it began. */
export function clearRetry(state: EnvironmentState, step: string): EnvironmentState {
  if (!state.retries[step]) return state;
  const { [step]: _over, ...retries } = state.retries;
  return { ...state, retries };
}
