import { environmentKey } from '#core/environment-key';
import { asEphError, EphError } from '#core/failure';
import { MAX_SHOWS, REPORT_TRIES } from '#core/limits';
import type { Shown } from '../providers/forge.ts';
import { forgetReported, type Run, refOf, type StepResult, saveIntent, summaryOf } from './run.ts';

/** Reports what differs from the last report, one part after the other. */
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
    // This comes before the report counts as made: a run that dies here reports again, and wakes the others again.
    if (shown.retell) await wakeOthers(run, shown.retell);
    const { told: _before, ...rest } = run.row.state;
    const state = shown.handle ? { ...rest, told: shown.handle } : rest;
    // If the intent could not be saved, nothing has begun: the next try saves it again and reports nothing before that.
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
 * A report without an answer may still have taken effect. If the state soon matches the row's last report again, nobody
 * would correct the wrong one, so everything is reported again. A refusal, or a request to wait, is an answer.
 */
function doubtReported(run: Run, error: unknown): never {
  if (!isAnswer(asEphError(error))) run.row = { ...run.row, state: forgetReported(run.forge, run.row.state) };
  throw error;
}

/** A forge that was refused retries a few times, and marks such an error by its cause. */
function isAnswer({ kind, retryAfter, cause }: EphError): boolean {
  const isRefusal = cause instanceof EphError && cause.kind === 'permanent';
  return kind !== 'transient' || retryAfter !== undefined || isRefusal;
}

/** Wakes pull requests whose report was overwritten. */
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
