import { environmentKey } from '#core/environment-key';
import { asEphError, EphError } from '#core/failure';
import { MAX_SHOWS, REPORT_TRIES } from '#core/limits';
import type { Shown } from '../providers/forge.ts';
import { forgetReported, type Run, refOf, type StepResult, saveIntent, summaryOf } from './run.ts';

/** Tells what differs from what was told last, one thing after the other. */
export async function reportToPeople(run: Run): Promise<StepResult> {
  const { forge } = run;
  const summary = summaryOf(run, run.row.state);
  const notes: string[] = [];
  const lastTry = (run.row.state.retries['report']?.count ?? 0) + 1 >= REPORT_TRIES;
  let justSaved = false;
  for (let count = 0; summary && count < MAX_SHOWS; count += 1) {
    const { told } = run.row.state;
    const shown: Shown = await forge
      .show(refOf(run.row), summary, told, { justSaved, lastTry })
      .catch((error: unknown) => doubtReported(run, error));
    // Before it counts as told: whoever dies here tells it again, and with it the others.
    if (shown.retell) await wakeOthers(run, shown.retell);
    const { told: _before, ...rest } = run.row.state;
    const state = shown.handle ? { ...rest, told: shown.handle } : rest;
    // What could not be saved is not begun: the next try saves it again, and tells nothing before.
    if (shown.saveFirst) {
      await saveIntent(run, state);
    } else {
      run.row = { ...run.row, state };
      if (shown.note) notes.push(shown.note);
    }
    justSaved = shown.saveFirst === true;
    if (shown.done) break;
  }
  return { state: run.row.state, outcome: [...new Set(notes)].join(', ') || 'nothing new' };
}

/**
 * What had no answer may have been said all the same. If things are soon again as the row says that they were told,
 * nobody would take it back; so all is told anew. A refusal, and who asks to be left alone, are an answer.
 */
function doubtReported(run: Run, error: unknown): never {
  if (!isAnswer(asEphError(error))) run.row = { ...run.row, state: forgetReported(run.forge, run.row.state) };
  throw error;
}

/** A forge asks again a few times where it was refused, and says so by the cause. */
function isAnswer({ kind, retryAfter, cause }: EphError): boolean {
  const isRefusal = cause instanceof EphError && cause.kind === 'permanent';
  return kind !== 'transient' || retryAfter !== undefined || isRefusal;
}

/** Something of theirs was written over. */
async function wakeOthers(run: Run, numbers: readonly number[]): Promise<void> {
  if (numbers.length === 0) return;
  const { repositoryId, number, forge } = run.row;
  await run.deps.ports.jobs.sendAll(
    numbers.map((other) => ({
      v: 1,
      kind: 'wake',
      delivery: run.cause.delivery,
      environment: environmentKey(repositoryId, other, forge),
      cause: `pull request #${number} ended`,
      retell: true,
    })),
  );
}
