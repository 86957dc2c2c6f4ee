import { omit } from '#core/lifecycle';
import { TOMBSTONE_SECONDS } from '#core/limits';
import type { Run, StepResult } from './run.ts';

/** Clears the row when nothing is left to remove. A row that is over stays as a tombstone for late messages. */
export async function finalize(run: Run, forget: boolean): Promise<StepResult> {
  const now = run.deps.ports.now();
  const state = omit(
    run.row.state,
    'order',
    'serving',
    'onDisk',
    'failure',
    'unfinishedSince',
    'timings',
    'forgetAt',
  );
  const { report } = state.retries;
  const cleared = { ...state, services: [], warnings: [], retries: report ? { report } : {} };
  if (!forget) return { state: cleared, outcome: 'nothing is left' };
  const forgetAt = Math.floor(now / 1_000) + TOMBSTONE_SECONDS;
  return { state: { ...cleared, forgetAt }, outcome: 'nothing is left, to be forgotten' };
}
