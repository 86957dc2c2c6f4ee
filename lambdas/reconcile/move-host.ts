import type { EnvironmentState, Host } from '#core/environment';
import { omit } from '#core/lifecycle';
import { MAX_HOST_MOVES } from '#core/limits';
import { moveUntilDone } from './move-until-done.ts';
import type { Run } from './run.ts';

export function moveHost(run: Run, to: 'running' | 'stopped' | 'none'): Promise<string> {
  const { ports } = run.deps;
  return moveUntilDone(run, {
    calls: MAX_HOST_MOVES,
    call: ({ host, attempt, retries, settings }) =>
      ports.compute.move(run.key, host?.handle, to, {
        attempt: attempt + 1,
        refusals: retries['launch-host']?.count ?? 0,
        config: settings?.config,
      }),
    keep(state, { handle, done }) {
      if (!handle) return omit(state, 'host');
      return withHandle(state, handle, done && to === 'running', ports.now());
    },
    notDone: {
      code: 'host_not_ready',
      sentence: 'The machine is not as it should be yet; Eph asks again.',
    },
  });
}

/** A new handle is another attempt, and the spec that was sent to the host before it has no use for the new one. */
function withHandle(
  state: EnvironmentState,
  handle: Host['handle'],
  isOn: boolean,
  now: number,
): EnvironmentState {
  const { host } = state;
  if (!host) {
    const begun: Host = { handle, startedAt: now, power: 'unknown', heard: false };
    return { ...omit(state, 'order'), attempt: state.attempt + 1, host: begun };
  }
  const power = isOn && host.power === 'unknown' ? 'on' : host.power;
  return { ...state, host: { ...host, handle, power } };
}
