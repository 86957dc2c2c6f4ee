import type { EnvironmentState, Host } from '#core/environment';

/** What a row may hold: the current form of the state, or that of an earlier version. */
export type WrittenState = Omit<EnvironmentState, 'host'> & { host?: Host | WrittenHost } & WrittenIngress &
  WrittenWords &
  WrittenAccess;

/**
 * The current form of a state, whichever version wrote it; a state that has it already is returned unchanged. Pure. The
 * version is found by the shape of each part: the row's `v` is written by a messenger, before any run has read the
 * state.
 *
 * `installationId` is stored beside the state in the row.
 */
export function upgradeState(written: WrittenState, installationId?: number): EnvironmentState {
  return upgradeRetries(upgradeAccess(upgradeWords(upgradeIngress(upgradeHost(written))), installationId));
}

/** Earlier, the launch's parameters and the machine's id were stored beside what is known of it. */
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

/** The form of version 0.1: tunnel and records of the only provider at that time were stored in the state itself. */
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

/** Earlier, reports were stored in the state itself, in GitHub's terms, because GitHub was the only forge. */
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

/** The oldest rows did not store in the state which installation GitHub confirmed. */
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

/** Steps that were renamed: a retry under the old name delays the new one. Two of the first three became one step. */
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
