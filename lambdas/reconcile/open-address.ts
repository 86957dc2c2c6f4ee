import { moveAddress } from './move-address.ts';
import type { Run, StepResult } from './run.ts';

/** Every name leads to the environment before anybody is told of it; begun while the machine boots. */
export async function openAddress(run: Run): Promise<StepResult> {
  const outcome = await moveAddress(run, 'open');
  return { state: run.row.state, outcome };
}
