import { enterPhase } from '#core/environment';
import { omit } from '#core/lifecycle';
import { adoptLaunch } from './adopt-launch.ts';
import type { Run, StepResult } from './run.ts';

/** Switches the machine off and keeps its disk. */
export async function stopHost(run: Run): Promise<StepResult> {
  const host = await adoptLaunch(run);
  const { ports } = run.world;
  const state = omit(run.row.state, 'order', 'serving', 'unfinishedSince');
  if (!host) return { state: omit(state, 'host'), outcome: 'nothing was launched' };
  await ports.machines.stop(host.instanceId);
  const off = { ...host, power: 'off' as const, heard: false };
  return { state: enterPhase({ ...state, host: off }, 'destroying', ports.now()), outcome: host.instanceId };
}
