import { omit } from '#core/lifecycle';
import { moveHost } from './move-host.ts';
import { type Run, type StepResult, saveIntent } from './run.ts';

/**
 * Switches a stopped host on again: the same disk, and with it the same data and images. The agent starts what is on it
 * by itself and reports; only another commit, or another address, is another deployment spec.
 */
export async function startHost(run: Run): Promise<StepResult> {
  // That it was off: if this run dies, the next one finds it on, and must not take it for one that serves already.
  await saveIntent(run, run.row.state);
  const outcome = await moveHost(run, 'running');
  const { state } = run.row;
  if (!state.host) return { state, outcome };
  const startedAt = run.deps.ports.now();
  // It was up before: a row of the version before does not say whether it ever reported, so its disk counts as used.
  const host = { ...state.host, power: 'on' as const, startedAt, heard: false, everHeard: true as const };
  return { state: { ...omit(state, 'serving'), host }, outcome };
}
