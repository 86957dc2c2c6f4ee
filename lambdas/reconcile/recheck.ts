import type { EnvironmentState } from '#core/environment';
import { asEphError } from '#core/failure';
import { type Run, refOf, summaryOf } from './run.ts';

/**
 * Once an hour, and only if something was reported since the last time, this checks what people see against what was
 * reported. Nothing waits for it: a check that fails is repeated an hour later.
 */
export async function recheck(run: Run, state: EnvironmentState): Promise<EnvironmentState> {
  const { forge } = run;
  if (!run.hints.has('recheck') || run.rechecked || !state.told || state.away) return state;
  const summary = summaryOf(run, state);
  if (!summary) return state;
  run.rechecked = true;
  // A report that is due comes first.
  if (forge.isChecked(state.told) || !forge.isShown(summary, state.told)) return state;
  try {
    return { ...state, told: await forge.check(refOf({ ...run.row, state }), summary, state.told) };
  } catch (error) {
    const { code, sentence } = asEphError(error);
    run.deps.ports.log({
      level: 'warn',
      message: sentence,
      environment: run.key,
      step: 'recheck',
      outcome: code,
    });
    return state;
  }
}
