import type { EnvironmentState } from '#core/environment';
import { EphError } from '#core/failure';
import type { Moved } from '../providers/handle.ts';
import { type Run, saveIntent } from './run.ts';

/** The calls of a provider in one step, one after the other. */
export interface Move {
  /** Maximum number of calls in one step. */
  calls: number;
  call(state: EnvironmentState): Promise<Moved>;
  /** Returns the state with what is to be remembered of a call. */
  keep(state: EnvironmentState, moved: Moved): EnvironmentState;
  /** The failure of a step that ends before the provider is done. */
  notDone: { code: string; sentence: string };
}

/**
 * Calls a provider until it is done. The row in memory has the handle of each call, so that what was done is known even
 * if the next call fails; the table has the handles that must be found after a crash.
 */
export async function moveUntilDone(run: Run, { calls, call, keep, notDone }: Move): Promise<string> {
  const { ports } = run.deps;
  const notes = new Set<string>();
  for (let count = 0; count < calls; count += 1) {
    const moved = await call(run.row.state);
    if (moved.note) notes.add(moved.note);
    const state = keep(run.row.state, moved);
    if (moved.saveFirst) await saveIntent(run, state);
    else run.row = { ...run.row, state };
    if (moved.done) return [...notes].join(' ');
    if (moved.recheckAt !== undefined) throw notYet(notDone, moved.recheckAt, ports.now());
  }
  throw notYet(notDone);
}

function notYet({ code, sentence }: Move['notDone'], recheckAt = 0, now = 0): EphError {
  return new EphError('transient', code, sentence, recheckAt > now ? { retryAfter: recheckAt - now } : {});
}
