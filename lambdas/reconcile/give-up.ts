import { enterPhase } from '#core/environment';
import { omit } from '#core/lifecycle';
import type { Run, StepResult } from './run.ts';
import { removeHost } from './terminate-host.ts';

/**
 * The commit has failed; another push is another try. A machine that never reported is not kept: nobody can
 * learn anything from it, it costs money, and the other try begins with a new one.
 */
export async function giveUp(run: Run, failure: { code: string; sentence: string }): Promise<StepResult> {
  const silent = run.row.state.host?.heard === false;
  if (silent) await removeHost(run);
  const { state } = run.row;
  const now = run.world.ports.now();
  const sha = state.order?.sha ?? state.pull?.sha ?? '';
  const ended = state.order ? { order: { ...state.order, finished: 'failed' as const } } : {};
  const next = {
    ...omit(state, 'unfinishedSince'),
    ...ended,
    failure: { ...failure, sha, at: now, log: [] },
  };
  const left = silent ? { ...omit(next, 'host', 'order', 'serving'), silentHosts: 0 } : next;
  return { state: enterPhase(left, 'failed', now), outcome: failure.code };
}
