import type { EnvironmentState, Host } from '#core/environment';
import { EphError } from '#core/failure';
import { omit } from '#core/lifecycle';
import { MAX_HOST_MOVES } from '#core/limits';
import { type Run, saveIntent } from './run.ts';

/**
 * Asks the provider until the host is as it should be. The row in memory has the handle of each call, so that what
 * was done is known also when the next one fails; the table has those that a crash must find.
 */
export async function moveHost(run: Run, to: 'running' | 'stopped' | 'none'): Promise<string> {
  const { ports } = run.world;
  const notes = new Set<string>();
  for (let call = 0; call < MAX_HOST_MOVES; call += 1) {
    const { state } = run.row;
    const moved = await ports.compute.move(run.key, state.host?.handle, to, {
      attempt: state.attempt + 1,
      refusals: state.retries['launch-host']?.count ?? 0,
      config: state.settings?.config,
    });
    notes.add(moved.note);
    const isOn = moved.done && to === 'running';
    const next = moved.handle ? withHandle(run, moved.handle, isOn) : omit(state, 'host');
    if (moved.saveFirst) await saveIntent(run, next);
    else run.row = { ...run.row, state: next };
    if (moved.done || !moved.handle) return [...notes].join(' ');
  }
  throw new EphError(
    'transient',
    'host_not_ready',
    'The machine is not as it should be yet; Eph asks again.',
  );
}

/** A new one is another attempt, and whatever the one before was told is of no use to it. */
function withHandle(run: Run, handle: Host['handle'], isOn: boolean): EnvironmentState {
  const { state } = run.row;
  const { host } = state;
  if (!host) {
    const begun: Host = { handle, startedAt: run.world.ports.now(), power: 'unknown', heard: false };
    return { ...omit(state, 'order'), attempt: state.attempt + 1, host: begun };
  }
  const power = isOn && host.power === 'unknown' ? 'on' : host.power;
  return { ...state, host: { ...host, handle, power } };
}
