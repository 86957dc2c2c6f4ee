import { cutText } from '#core/cut-text';
import type { EnvironmentState, Host } from '#core/environment';
import { omit } from '#core/lifecycle';
import { MAX_SENTENCE_BYTES } from '#core/limits';
import type { Run, StepResult } from './run.ts';
import { removeHost } from './terminate-host.ts';

/**
 * The commit has failed; another push is another try. A machine that never reported is not kept: nobody can
 * learn anything from it, it costs money, and the other try begins with a new one. One that reported before it
 * slept is switched off: its disk may hold people's data.
 */
export async function giveUp(run: Run, failure: { code: string; sentence: string }): Promise<StepResult> {
  const { host } = run.row.state;
  if (host && !host.heard) await (host.everHeard ? switchOff(run, host) : removeHost(run));
  const { state } = run.row;
  const now = run.world.ports.now();
  const sha = state.order?.sha ?? state.pull?.sha ?? '';
  // It may quote EC2.
  const sentence = cutText(failure.sentence, MAX_SENTENCE_BYTES);
  const ended = state.order ? { order: { ...state.order, finished: 'failed' as const } } : {};
  const next = {
    ...omit(state, 'unfinishedSince'),
    ...ended,
    failure: { ...failure, sentence, sha, at: now, log: [] },
  };
  return { state: withoutSilent(next), outcome: failure.code };
}

async function switchOff(run: Run, { instanceId }: Host): Promise<void> {
  if (instanceId) await run.world.ports.machines.stop(instanceId);
}

function withoutSilent(state: EnvironmentState): EnvironmentState {
  const { host } = state;
  if (!host || host.heard) return state;
  const left = { ...omit(state, 'host', 'order', 'serving', 'onDisk'), silentHosts: 0 };
  return host.everHeard ? { ...left, host: { ...host, power: 'off' } } : left;
}
