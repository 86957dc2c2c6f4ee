import { switchedOff } from '#core/absorb';
import { moveHost } from './move-host.ts';
import type { Run, StepResult } from './run.ts';

/** Switches the host off and keeps its disk, for a reopening or until the environment is wanted again. */
export async function stopHost(run: Run): Promise<StepResult> {
  const outcome = await moveHost(run, 'stopped');
  const { state } = run.row;
  return { state: state.host ? switchedOff(state, state.host, run.deps.ports.now()) : state, outcome };
}
