import type { EnvironmentState, Host } from '#core/environment';

/** As version 0.1 wrote it: tunnel and records of the one provider that there was stood in the state itself. */
type FirstState = Omit<EnvironmentState, 'ingress' | 'openings' | 'host'> & {
  host?: FirstHost;
  tunnelEpoch: number;
  tunnel?: { id?: string; name: string; configured: boolean };
  records: { id?: string; hostname: string }[];
};

/** What a row may hold: today's state, or that of a version before. */
export type WrittenState = EnvironmentState | FirstState;

/**
 * Today's form of a state, whichever version wrote it. Pure. Told by its shape: the row's `v` is a messenger's word,
 * which comes before anybody has read the state.
 */
export function upgradeState(written: WrittenState): EnvironmentState {
  if (!('tunnelEpoch' in written)) return written;
  const { host, ...state } = written;
  return upgradeIngress({ ...state, ...(host ? { host: upgradeHost(host) } : {}) });
}

/** The launch's parameters and the machine's id stood beside what is known of it. */
interface FirstHost extends Omit<Host, 'handle' | 'power'> {
  intent: unknown;
  attempt: number;
  instanceId?: string;
  power: 'on' | 'off' | 'gone';
}

function upgradeHost(host: FirstHost): Host {
  const { intent, attempt, instanceId, power, ...rest } = host;
  const launched = instanceId === undefined ? {} : { instanceId, registered: true };
  const data = { intent, attempt, begunAt: rest.startedAt, ...launched };
  const handle = { kind: 'ec2', v: 1, data };
  return { ...rest, power: instanceId === undefined ? 'unknown' : power, handle };
}

function upgradeIngress({
  tunnelEpoch,
  tunnel,
  records,
  ...state
}: Omit<FirstState, 'host'> & { host?: Host }): EnvironmentState {
  const next = { ...state, retries: renameRetries(state.retries), openings: tunnelEpoch };
  if (!tunnel && records.length === 0) return next;
  const data = { ...(tunnel ? { tunnel } : {}), records };
  return { ...next, ingress: { kind: 'cloudflare', v: 1, data } };
}

/** Two steps became one: what held back the later of them holds it back. */
const renamed: Record<string, string> = {
  'ensure-tunnel': 'open-address',
  'ensure-records': 'open-address',
  'withdraw-url': 'withdraw-address',
};

function renameRetries(retries: EnvironmentState['retries']): EnvironmentState['retries'] {
  return Object.fromEntries(Object.entries(retries).map(([step, retry]) => [renamed[step] ?? step, retry]));
}
