import { enterPhase } from '#core/environment';
import { isWanted, omit } from '#core/lifecycle';
import { adoptLaunch } from './adopt-launch.ts';
import type { Run, StepResult } from './run.ts';

/**
 * Switches the machine off and keeps its disk, for a reopening, or until the operator resumes. Either is another
 * try for a commit that failed.
 */
export async function stopHost(run: Run): Promise<StepResult> {
  const host = await adoptLaunch(run);
  const { ports } = run.world;
  const asleep = isWanted(run.row.state);
  const state = omit(run.row.state, 'order', 'serving', 'unfinishedSince', 'failure');
  if (!host) return { state: omit(state, 'host'), outcome: 'nothing was launched' };
  // A launch whose answer was lost: switched on again, its reports must find their way here.
  if (!state.host?.instanceId) await ports.records.putHost(host.instanceId, run.key, ports.now());
  await ports.machines.stop(host.instanceId);
  const off = { ...host, power: 'off' as const, heard: false };
  const phase = asleep ? 'stopped' : 'destroying';
  return { state: enterPhase({ ...state, host: off }, phase, ports.now()), outcome: host.instanceId };
}
