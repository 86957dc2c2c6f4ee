import { omit } from '#core/lifecycle';
import { moveAddress } from './move-address.ts';
import { type Run, type StepResult, saveIntent } from './run.ts';

/**
 * The address stops answering before anything else happens. Whoever reopens gets another opening of it and another
 * deployment, also when taking it away fails half way: what hosts were attached by may be gone by then.
 *
 * That it has begun is saved first. A run that dies after it deleted a name, or whose call takes effect when it has
 * given up, would otherwise leave a row that says the address is there, and people would be told of it.
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
