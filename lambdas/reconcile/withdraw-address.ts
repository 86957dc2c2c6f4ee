import { omit } from '#core/lifecycle';
import { moveAddress } from './move-address.ts';
import type { Run, StepResult } from './run.ts';

/**
 * The address stops answering before anything else happens. Whoever reopens gets another opening of it and another
 * order, also when taking it away fails half way: what hosts were attached by may be gone by then.
 */
export async function withdrawAddress(run: Run): Promise<StepResult> {
  const unserved = omit(run.row.state, 'serving', 'onDisk', 'order', 'unfinishedSince', 'failure');
  run.row = { ...run.row, state: unserved };
  await moveAddress(run, 'none');
  const { state } = run.row;
  return { state: { ...state, openings: state.openings + 1 }, outcome: state.hostname ?? '' };
}
