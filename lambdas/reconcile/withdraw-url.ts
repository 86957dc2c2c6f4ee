import type { DnsRecord, EnvironmentState } from '#core/environment';
import { omit } from '#core/lifecycle';
import type { Run, StepResult } from './run.ts';

/**
 * The address stops answering before anything else happens: names first, then the tunnel with its secret.
 * What was begun by a run that died has no id in the row: it is looked for by its name.
 */
export async function withdrawUrl(run: Run): Promise<StepResult> {
  for (const record of run.row.state.records) await withdrawRecord(run, record);
  await removeTunnel(run, run.row.state.tunnel);
  const { state } = run.row;
  const next = {
    ...omit(state, 'tunnel', 'serving', 'onDisk', 'order', 'unfinishedSince', 'failure'),
    tunnelEpoch: state.tunnelEpoch + 1,
  };
  return { state: next, outcome: state.hostname ?? '' };
}

export async function withdrawRecord(run: Run, { id, hostname }: DnsRecord): Promise<void> {
  const { tunnels } = run.world.ports;
  const record = id ? { id } : await tunnels.findRecord(hostname, run.key);
  if (record) await tunnels.deleteRecord(record.id);
  const records = run.row.state.records.filter((other) => other.hostname !== hostname);
  run.row = { ...run.row, state: { ...run.row.state, records } };
}

async function removeTunnel(run: Run, tunnel: EnvironmentState['tunnel']): Promise<void> {
  if (!tunnel) return;
  const { tunnels } = run.world.ports;
  const found = tunnel.id ? { id: tunnel.id } : await tunnels.findTunnel(tunnel.name);
  if (found) await tunnels.deleteTunnel(found.id);
}
