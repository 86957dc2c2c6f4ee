import { enterPhase } from '#core/environment';
import { omit } from '#core/lifecycle';
import type { Run, StepResult } from './run.ts';
import { removeHost } from './terminate-host.ts';

/** A machine that never reported is not worth waiting for: away with it, and another attempt. */
export async function replaceHost(run: Run): Promise<StepResult> {
  const gone = await removeHost(run);
  const { state } = run.row;
  const next = { ...omit(state, 'host', 'order', 'unfinishedSince'), silentHosts: state.silentHosts + 1 };
  return {
    state: enterPhase(next, 'provisioning', run.world.ports.now()),
    outcome: `${gone ?? 'the machine'} never reported`,
  };
}
