import { switchedOff } from '#core/absorb';
import { cutText } from '#core/cut-text';
import { omit } from '#core/lifecycle';
import { MAX_SENTENCE_BYTES } from '#core/limits';
import { moveHost } from './move-host.ts';
import type { Run, StepResult } from './run.ts';

/**
 * Records that the commit has failed; another push is another try. A machine that never reported is removed: nobody can
 * learn anything from it, it costs money, and the next try begins with a new one. A machine that reported before it
 * slept is switched off: its disk may hold people's data.
 */
export async function giveUp(run: Run, failure: { code: string; sentence: string }): Promise<StepResult> {
  const isSilent = run.row.state.host?.heard === false;
  if (isSilent) await endSilent(run);
  const { state } = run.row;
  const now = run.deps.ports.now();
  const sha = state.order?.sha ?? state.pull?.sha ?? '';
  // The sentence may quote the vendor.
  const sentence = cutText(failure.sentence, MAX_SENTENCE_BYTES);
  const ended = state.order ? { order: { ...state.order, finished: 'failed' as const } } : {};
  const next = {
    ...omit(state, 'unfinishedSince'),
    ...ended,
    failure: { ...failure, sentence, sha, at: now, log: [] },
  };
  // Another push has the same number of tries again, and an unresponsive host's spec has no use for the next host.
  const left = isSilent ? { ...omit(next, 'order', 'serving', 'onDisk'), silentHosts: 0 } : next;
  return { state: left, outcome: failure.code };
}

async function endSilent(run: Run): Promise<void> {
  await moveHost(run, run.row.state.host?.everHeard ? 'stopped' : 'none');
  const { state } = run.row;
  if (state.host) run.row = { ...run.row, state: switchedOff(state, state.host, run.deps.ports.now()) };
}
