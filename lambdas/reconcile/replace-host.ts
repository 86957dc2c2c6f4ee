import { omit } from '#core/lifecycle';
import type { Run, StepResult } from './run.ts';
import { removeHost } from './terminate-host.ts';

/** A machine that never reported is not worth waiting for: away with it, and another attempt. */
export async function replaceHost(run: Run): Promise<StepResult> {
  const gone = await removeHost(run);
  const { state } = run.row;
  const next = {
    ...omit(state, 'host', 'order', 'onDisk', 'unfinishedSince'),
    silentHosts: state.silentHosts + 1,
  };
  return {
    state: next,
    outcome: `${gone ?? 'the machine'} never reported`,
  };
}
