import { type DnsRecord, wantedHostnames } from '#core/environment';
import { permanent } from '#core/failure';
import { MAX_ADDRESSES } from '#core/limits';
import { type Run, type StepResult, saveIntent } from './run.ts';
import { withdrawRecord } from './withdraw-url.ts';

/**
 * A DNS record for each hostname, before anybody is told of it: resolvers remember a "no such name" for 30
 * minutes. The names are in the table before Cloudflare hears of them: closing finds them if this run dies.
 */
export async function ensureRecords(run: Run): Promise<StepResult> {
  const tunnelId = run.row.state.tunnel?.id;
  if (!tunnelId) throw permanent('no_tunnel', 'There is no tunnel for the names to lead to; push again.');
  await makeRoom(run);
  const known = run.row.state.records;
  const missing = wantedHostnames(run.row.state)
    .filter((hostname) => !known.some((record) => record.hostname === hostname))
    .map((hostname) => ({ hostname }));
  await saveIntent(run, { ...run.row.state, records: [...known, ...missing] });

  const made: string[] = [];
  for (const record of run.row.state.records.filter(({ id }) => !id)) {
    const { hostname } = record;
    const { id } = await run.world.ports.tunnels.ensureRecord(hostname, tunnelId, run.key);
    run.row = { ...run.row, state: withRecord(run, { id, hostname }) };
    made.push(hostname);
  }
  return { state: run.row.state, outcome: made.join(' ') };
}

/**
 * Names that no service has any more stay until there are too many: what they lead to may still be running. A
 * host could otherwise fill the zone, and the row, by calling its services otherwise in each report.
 */
async function makeRoom(run: Run): Promise<void> {
  const wanted = wantedHostnames(run.row.state);
  const unwanted = run.row.state.records.filter(({ hostname }) => !wanted.includes(hostname));
  const room = MAX_ADDRESSES - wanted.length;
  for (const record of unwanted.slice(0, Math.max(0, unwanted.length - room))) {
    await withdrawRecord(run, record);
  }
}

function withRecord({ row: { state } }: Run, made: DnsRecord) {
  const records = state.records.map((record) => (record.hostname === made.hostname ? made : record));
  return { ...state, records };
}
