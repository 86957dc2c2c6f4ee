import { switchedOff } from '#core/absorb';
import { cutText } from '#core/cut-text';
import { omit } from '#core/lifecycle';
import { MAX_SENTENCE_BYTES } from '#core/limits';
import { moveHost } from './move-host.ts';
import type { Run, StepResult } from './run.ts';

/**
 * The commit has failed; another push is another try. A machine that never reported is not kept: nobody can
 * learn anything from it, it costs money, and the other try begins with a new one. One that reported before it
 * slept is switched off: its disk may hold people's data.
 */
export async function giveUp(run: Run, failure: { code: string; sentence: string }): Promise<StepResult> {
  const isSilent = run.row.state.host?.heard === false;
  if (isSilent) await endSilent(run);
  const { state } = run.row;
  const now = run.deps.ports.now();
  const sha = state.order?.sha ?? state.pull?.sha ?? '';
  // It may quote the cloud.
  const sentence = cutText(failure.sentence, MAX_SENTENCE_BYTES);
  const ended = state.order ? { order: { ...state.order, finished: 'failed' as const } } : {};
  const next = {
    ...omit(state, 'unfinishedSince'),
    ...ended,
    failure: { ...failure, sentence, sha, at: now, log: [] },
  };
  // Another push has as many tries again, and what was told to the silent one is of no use to the next.
  const left = isSilent ? { ...omit(next, 'order', 'serving', 'onDisk'), silentHosts: 0 } : next;
  return { state: left, outcome: failure.code };
}

async function endSilent(run: Run): Promise<void> {
  await moveHost(run, run.row.state.host?.everHeard ? 'stopped' : 'none');
  const { state } = run.row;
  if (state.host) run.row = { ...run.row, state: switchedOff(state, state.host, run.deps.ports.now()) };
}
