import { moveHost } from './move-host.ts';
import type { Run, StepResult } from './run.ts';

/** Switches on a new host, or finds the result of a launch whose answer was lost. */
export async function launchHost(run: Run): Promise<StepResult> {
  const outcome = await moveHost(run, 'running');
  return { state: run.row.state, outcome };
}
