import { omit } from '#core/lifecycle';
import { moveHost } from './move-host.ts';
import { type Run, type StepResult, saveIntent } from './run.ts';

/**
 * Switches a stopped host on again, with the same disk and therefore the same data and images. The agent starts what is
 * on the disk by itself and reports; only another commit, or another address, needs another deployment spec.
 */
export async function startHost(run: Run): Promise<StepResult> {
  // Saves that it was off: if this run dies, the next run finds it on, and must not assume that it already serves.
  await saveIntent(run, run.row.state);
  const outcome = await moveHost(run, 'running');
  const { state } = run.row;
  if (!state.host) return { state, outcome };
  const startedAt = run.deps.ports.now();
  // It was up before. An older version's row does not show whether it ever reported, so its disk counts as used.
  const host = { ...state.host, power: 'on' as const, startedAt, heard: false, everHeard: true as const };
  return { state: { ...omit(state, 'serving'), host }, outcome };
}
