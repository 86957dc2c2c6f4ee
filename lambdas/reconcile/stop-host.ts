import { switchedOff } from '#core/absorb';
import { omit } from '#core/lifecycle';
import { adoptLaunch } from './adopt-launch.ts';
import type { Run, StepResult } from './run.ts';

/** Switches the machine off and keeps its disk, for a reopening or until it is wanted again. */
export async function stopHost(run: Run): Promise<StepResult> {
  const host = await adoptLaunch(run);
  const { ports } = run.world;
  if (!host) return { state: omit(run.row.state, 'host'), outcome: 'nothing was launched' };
  // A launch whose answer was lost: switched on again, its reports must find their way here.
  if (!run.row.state.host?.instanceId) await ports.records.putHost(host.instanceId, run.key, ports.now());
  await ports.machines.stop(host.instanceId);
  return { state: switchedOff(run.row.state, host, ports.now()), outcome: host.instanceId };
}
