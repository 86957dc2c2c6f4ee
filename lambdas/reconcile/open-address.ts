import { moveAddress } from './move-address.ts';
import type { Run, StepResult } from './run.ts';

/** Makes every hostname lead to the environment before people get the address; this begins while the machine boots. */
export async function openAddress(run: Run): Promise<StepResult> {
  const outcome = await moveAddress(run, 'open');
  return { state: run.row.state, outcome };
}
