import { omit } from '#core/lifecycle';
import { moveHost } from './move-host.ts';
import type { Run, StepResult } from './run.ts';

/** Removes a machine that never reported, so that another attempt can begin. */
export async function replaceHost(run: Run): Promise<StepResult> {
  const gone = await moveHost(run, 'none');
  const { state } = run.row;
  const next = omit(state, 'host', 'order', 'onDisk', 'unfinishedSince');
  return {
    state: { ...next, silentHosts: state.silentHosts + 1 },
    outcome: `${gone} never reported`,
  };
}
