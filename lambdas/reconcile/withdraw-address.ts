import { omit } from '#core/lifecycle';
import { moveAddress } from './move-address.ts';
import { type Run, type StepResult, saveIntent } from './run.ts';

/**
 * The address stops answering before anything else happens. After a reopening the environment gets a new opening of its
 * address and a new deployment, even if the withdrawal fails half way: what hosts were attached by may be gone by then.
 *
 * The beginning is saved first. A run may die after it deleted a hostname, or its call may take effect after the run
 * gave up. Without that save the row would still have the address, and it would be reported to people.
 */
export async function withdrawAddress(run: Run): Promise<StepResult> {
  const unserved = omit(run.row.state, 'serving', 'onDisk', 'order', 'unfinishedSince', 'failure');
  const intent = { ...unserved, withdrawing: true as const };
  if (run.row.state.withdrawing) run.row = { ...run.row, state: intent };
  else await saveIntent(run, intent);
  await moveAddress(run, 'none');
  const state = omit(run.row.state, 'withdrawing');
  return { state: { ...state, openings: state.openings + 1 }, outcome: state.hostname ?? '' };
}
