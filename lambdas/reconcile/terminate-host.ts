import { type EnvironmentState, enterPhase, type Phase } from '#core/environment';
import { isWanted, omit } from '#core/lifecycle';
import { adoptLaunch } from './adopt-launch.ts';
import type { Run, StepResult } from './run.ts';

/**
 * The machine, its disk, its mailbox and its row. Repeating it after a crash anywhere in between is harmless,
 * and so is doing it for a machine that somebody else terminated: then only what is left of it goes.
 */
export async function terminateHost(run: Run): Promise<StepResult> {
  const gone = await removeHost(run);
  const state = omit(run.row.state, 'host', 'order', 'serving', 'unfinishedSince');
  return {
    state: enterPhase(state, phaseWithout(state), run.world.ports.now()),
    outcome: gone ?? 'nothing was launched',
  };
}

/** A commit that has failed gets no other machine: somebody else ended this one. */
function phaseWithout(state: EnvironmentState): Phase {
  if (!isWanted(state)) return 'destroying';
  return state.failure?.sha === state.pull?.sha ? 'failed' : 'provisioning';
}

export async function removeHost(run: Run): Promise<string | undefined> {
  const { ports } = run.world;
  const host = await adoptLaunch(run);
  if (!host) return undefined;
  await ports.machines.terminate(host.instanceId);
  await ports.mailbox.clear(host.instanceId);
  await ports.records.forgetHost(host.instanceId);
  return host.instanceId;
}
