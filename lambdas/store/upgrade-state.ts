import type { EnvironmentState, Host } from '#core/environment';

/** What a row may hold: today's state, or that of a version before. */
export type WrittenState = Omit<EnvironmentState, 'host'> & { host?: Host | WrittenHost } & WrittenIngress &
  WrittenWords &
  WrittenAccess;

/**
 * Today's form of a state, whichever version wrote it; what has it already is answered as it is. Pure. Told by its shape,
 * part by part: the row's `v` is a messenger's word, which comes before anybody has read the state.
 *
 * `installationId` stands beside the state in the row.
 */
export function upgradeState(written: WrittenState, installationId?: number): EnvironmentState {
  return upgradeRetries(upgradeAccess(upgradeWords(upgradeIngress(upgradeHost(written))), installationId));
}

/** The launch's parameters and the machine's id stood beside what is known of it. */
interface WrittenHost extends Omit<Host, 'handle' | 'power'> {
  intent: unknown;
  attempt: number;
  instanceId?: string;
  power: 'on' | 'off' | 'gone';
}

type WithHost = Omit<WrittenState, 'host'> & { host?: Host };

function hasTodaysHost(written: WrittenState): written is WithHost {
  return !written.host || 'handle' in written.host;
}

function upgradeHost(written: WrittenState): WithHost {
  if (hasTodaysHost(written)) return written;
  const { host, ...state } = written;
  if (!host || 'handle' in host) return state;
  const { intent, attempt, instanceId, power, ...rest } = host;
  const launched = instanceId === undefined ? {} : { instanceId, registered: true };
  const handle = { kind: 'ec2', v: 1, data: { intent, attempt, begunAt: rest.startedAt, ...launched } };
  const today: Host = { ...rest, power: instanceId === undefined ? 'unknown' : power, handle };
  return { ...state, host: today };
}

/** As version 0.1 wrote it: tunnel and records of the one provider that there was stood in the state itself. */
interface WrittenIngress {
  tunnelEpoch?: number;
  tunnel?: { id?: string; name: string; configured: boolean };
  records?: { id?: string; hostname: string }[];
}

function upgradeIngress<State extends EnvironmentState>(written: State & WrittenIngress) {
  if (written.tunnelEpoch === undefined) return written;
  const { tunnelEpoch, tunnel, records = [], ...state } = written;
  const next = { ...state, openings: tunnelEpoch };
  if (!tunnel && records.length === 0) return next;
  const data = { ...(tunnel ? { tunnel } : {}), records };
  return { ...next, ingress: { kind: 'cloudflare', v: 1, data } };
}

/** What people were told stood in the state itself, in GitHub's terms, while GitHub was the only forge. */
interface WrittenWords {
  comment?: { id: number; digest: string; at?: number };
  status?: { sha: string; digest: string; state?: string };
  deployment?: { id: number; sha: string; state: string; replaces?: number[] };
}

function upgradeWords<State extends EnvironmentState>(written: State & WrittenWords) {
  if (!written.comment && !written.status && !written.deployment) return written;
  const { comment, status, deployment, ...state } = written;
  const data = {
    ...(comment && { comment: { id: comment.id, digest: comment.digest } }),
    ...(status && { status }),
    ...(deployment && { deployment }),
  };
  return { ...state, told: { kind: 'github', v: 1, data } };
}

interface WrittenAccess {
  installationId?: number;
  lostInstallation?: number;
  githubPaidUntil?: number;
}

/** The oldest rows did not keep in the state which installation GitHub confirmed. */
function upgradeAccess(
  written: EnvironmentState & WrittenAccess,
  besideIt: number | undefined,
): EnvironmentState {
  const isTodays =
    written.installationId === undefined &&
    written.lostInstallation === undefined &&
    written.githubPaidUntil === undefined;
  if (isTodays && (besideIt === undefined || written.pull === undefined || written.access !== undefined)) {
    return written;
  }
  const { installationId = besideIt, lostInstallation, githubPaidUntil, ...state } = written;
  const isConfirmed = state.pull !== undefined && state.access === undefined && installationId !== undefined;
  return {
    ...state,
    ...(isConfirmed && { access: String(installationId) }),
    ...(lostInstallation !== undefined && { lostAccess: String(lostInstallation) }),
    ...(githubPaidUntil !== undefined && { callsPaidUntil: githubPaidUntil }),
  };
}

/** Steps that had another name: what held one of them back holds it back. Of the first three, two became one. */
const renamed: Record<string, string> = {
  'ensure-tunnel': 'open-address',
  'ensure-records': 'open-address',
  'withdraw-url': 'withdraw-address',
  'mail-order': 'write-spec',
  'ring-host': 'notify-host',
  settle: 'finalize',
};

function upgradeRetries(state: EnvironmentState): EnvironmentState {
  const retries = Object.entries(state.retries);
  if (!retries.some(([step]) => Object.hasOwn(renamed, step))) return state;
  return {
    ...state,
    retries: Object.fromEntries(retries.map(([step, retry]) => [renamed[step] ?? step, retry])),
  };
}
