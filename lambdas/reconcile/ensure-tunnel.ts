import { tunnelName } from '../providers/cloudflare/marks.ts';
import { type Run, type StepResult, saveIntent } from './run.ts';

/**
 * One tunnel per environment with one rule, made while the machine boots. Its name is in the table before
 * Cloudflare hears of it: closing finds it by that name if this run dies in between.
 */
export async function ensureTunnel(run: Run): Promise<StepResult> {
  const { state } = run.row;
  const { ports, config } = run.world;
  const name = tunnelName(config.DEPLOYMENT_ID, run.key, state.tunnelEpoch);
  if (!state.tunnel) await saveIntent(run, { ...state, tunnel: { name, configured: false } });
  const id = state.tunnel?.id ?? (await ports.tunnels.ensureTunnel(name)).id;
  await ports.tunnels.configure(id);
  return { state: { ...run.row.state, tunnel: { id, name, configured: true } }, outcome: name };
}
