import type { Level, Reason } from './desired.ts';
import type { Handle } from './handle.ts';
import type { Hint } from './hints.ts';
import type { Pause } from './pause.ts';
import type { PreviewConfig } from './preview-config.ts';
import type { DeployStage, HostFailure, PublicService, Result } from './report.ts';
import type { Asks, Verb } from './requests.ts';

/**
 * One row per environment: what is desired, what exists, and what was reported to people.
 *
 * Two kinds of writers share the row, and neither writes a field of the other:
 * - messengers (a webhook's job, a host's report, the sweep) write `wakes`, `source`, `asks` and `hints`;
 * - the holder of the lease writes `state`, on condition that it still holds the lease, and removes the hints on which
 *   it has acted.
 *
 * `state` is written when the lease is released. It is also written before an effect if a crash after the effect would
 * look the same as a crash before it (launch, address, deployment spec, the first report to people): every other step
 * finds what it made when it is repeated.
 */
export const ROW_VERSION = 1;

/** For people; see `phase.ts`. `cold`: the disk is gone too, and the name is kept. */
export type Phase =
  | 'new'
  | 'declined'
  | 'queued'
  | 'provisioning'
  | 'deploying'
  | 'ready'
  | 'updating'
  | 'stopping'
  | 'stopped'
  | 'waking'
  | 'cold'
  | 'destroying'
  | 'destroyed'
  | 'failed';

export interface Row {
  v: typeof ROW_VERSION;
  /** See `environment-key.ts`; the three fields below are parts of the key. */
  key: string;
  /** Undefined: GitHub, whose keys are bare. */
  forge?: string;
  repositoryId: number;
  /** Number of the pull request; undefined for an environment that is not of a pull request. */
  number?: number;
  /** Counts the messages. A release is conditional on it, so a message that arrives during the work is never lost. */
  wakes: number;
  /** Where the repository is according to the last message; the forge's answer replaces it in `state`. */
  source: Source;
  lease?: Lease;
  nextLookAt?: number;
  /** The time of the next reconcile that the row was waiting for when the lease was taken. */
  dueAt?: number;
  /** The run whose lease ended without a release: that run died, and no row contains what it did last. */
  takenFrom?: string;
  /** The requests of people; messengers write them. */
  asks?: Asks;
  /** What messages reported, if no run has acted on it yet. */
  hints?: readonly Hint[];
  state: EnvironmentState;
}

export interface Lease {
  id: string;
  until: number;
}

export interface Source {
  /** What gives Eph access to the repository, in the forge's own form; empty where the forge needs none. */
  access: string;
  owner: string;
  name: string;
  /** The delivery that caused this write: the host's log and `make trace` show it too. */
  delivery: string;
}

export interface EnvironmentState {
  /** The phase is for display only (`phase.ts`). */
  phase: Phase;
  phaseSince: number;
  createdAt: number;
  /** Label of the main hostname; both are fixed at the first reconcile, because a URL must survive renames. */
  name?: string;
  hostname?: string;
  pull?: PullRequest;
  /** The access by which the forge confirmed `pull` last. */
  access?: string;
  /** This access was found to be gone, and nothing has shown it since. */
  lostAccess?: string;
  /** Time of the first of two answers that the repository exists without this pull request. */
  goneSince?: number;
  /** Proved: the App may not see the repository, or there is no such pull request. `pull` is the last known answer. */
  away?: { since: number; why: 'no-access' | 'no-pull' };
  closedAt?: number;
  /** For display only: the desired level, and its reason (`desired.ts`). */
  wanted?: { level: Level; reason: Reason };
  /** The commit of a fork that somebody with write access has approved; it serves until another one is approved. */
  approved?: string;
  /** Epoch ms of the last known use, push or wake. */
  activeAt?: number;
  /** Somebody asked to keep the environment until then. */
  keepUntil?: number;
  /** For each request that acts once: the newest one on which a run has acted. */
  applied?: Partial<Record<Verb, string>>;
  /** The operator's pause at the time when the forge was asked last. */
  paused?: Exclude<Pause, 'no'>;
  /** `eph.yaml` at `sha`, parsed. */
  settings?: {
    sha: string;
    config: PreviewConfig;
    found: boolean;
    /** Does the repository contain anything that can be started? This is asked only without an `eph.yaml`. */
    runnable?: boolean;
    /** Sentences for people about files whose names are nearly right. */
    hints?: string[];
  };
  /** Counts hosts that were tried since the pull request was opened or reopened; part of the client token. */
  attempt: number;
  host?: Host;
  /** Counts hosts in a row that were switched on and never reported. */
  silentHosts: number;
  /** Counts how often the address was withdrawn: what is still being deleted must not be found by its name. */
  openings: number;
  /** The ingress's handle of the address. Absent: nothing is left to withdraw. */
  ingress?: Handle;
  /** Withdrawing the address has begun. This is finished first, even if the environment is wanted again meanwhile. */
  withdrawing?: true;
  /** Counts the deployments that were sent to the host. */
  generation: number;
  order?: SentSpec;
  services: PublicService[];
  warnings: string[];
  timings?: Result['timings'];
  serving?: { sha: string; generation: number; since: number };
  /** What the machine's disk serves when the machine is switched on again. */
  onDisk?: { sha: string; generation: number };
  /** What was reported to people last, and where, in the forge's own form. */
  told?: Handle;
  failure?: Failure;
  /** By step, or `observe`: the last failure of the step; it delays only steps of the same kind. */
  retries: Record<string, Retry>;
  /** Start of the first unfinished build since a build last finished; see STARVATION. */
  unfinishedSince?: number;
  /** Until then, the calls already made use up this environment's share of the forge's rate limit. */
  callsPaidUntil?: number;
  /** Counts runs in a row that the row's own timer started, including this one; see MAX_TIMERS_IN_A_ROW. */
  timersInARow?: number;
  /** Epoch seconds after which the table deletes the tombstone. */
  forgetAt?: number;
}

export interface PullRequest {
  state: 'open' | 'closed';
  merged: boolean;
  sha: string;
  branch: string;
  baseBranch: string;
  draft: boolean;
  /** `!head.repo || head.repo.id !== base.repo.id`: the head repository of a deleted fork is null. */
  fork: boolean;
  bot: boolean;
  archived: boolean;
  author: string;
  title: string;
  owner: string;
  repository: string;
}

export interface Host {
  /** The provider's handle of the host. */
  handle: Handle;
  /** When the host was last switched on. */
  startedAt: number;
  /** `unknown`: begun, and not known whether it was made. `gone`: ended by others; what is left must be removed. */
  power: 'unknown' | 'on' | 'off' | 'gone';
  /** Why the host is gone, in the vendor's words. */
  ended?: string;
  /** Was a report received since it was switched on? Until then a slow boot and a failed boot look the same. */
  heard: boolean;
  /** Was a report ever received? Then its disk may hold people's data, and is deleted only with the environment. */
  everHeard?: true;
  /** Since when it is known to be off, epoch ms: a report from before that does not show that it is awake. */
  offSince?: number;
}

export interface SentSpec {
  generation: number;
  revision: number;
  sha: string;
  source: 'archive' | 'git';
  mailedAt: number;
  /** Whether a running host was notified; a host that is booting reads its mailbox without it. */
  rung: boolean;
  /** What the host needs to continue: it waits for the next revision. */
  needs?: 'archive' | 'git';
  /** What takes long, according to the host's last report. */
  doing?: { stage: DeployStage; waiting: string };
  finished?: 'ready' | 'failed' | 'superseded';
}

export interface Failure {
  code: string;
  sentence: string;
  /** The commit to which the failure belongs: another push is another try. */
  sha: string;
  at: number;
  service?: string;
  /** The commit that served before and could not be started again. */
  lost?: string;
  log: HostFailure['log'];
}

/** Retries are kept in the row, not in the queue: there they would use its receive count and end in dead letters. */
export interface Retry {
  count: number;
  /** When it failed for the first time since its last success. */
  since?: number;
  notBefore: number;
  /** The vendor named the time (`retry-after`): no message shortens the wait. */
  insisted: boolean;
  /** The vendor had no room for a machine. */
  capacity?: true;
  code: string;
  sentence: string;
}

export function newState(now: number): EnvironmentState {
  return {
    phase: 'new',
    phaseSince: now,
    createdAt: now,
    attempt: 0,
    silentHosts: 0,
    openings: 0,
    generation: 0,
    services: [],
    warnings: [],
    retries: {},
  };
}

/** Hostnames that must lead to the environment: the main one at once, those of services once the host has planned. */
export function wantedHostnames(state: EnvironmentState): string[] {
  if (!state.hostname) return [];
  return [...new Set([state.hostname, ...state.services.map((service) => service.hostname)])];
}

/** Does a vendor still have anything that this row must remove? */
export function ownsAnything(state: EnvironmentState): boolean {
  return state.host !== undefined || state.ingress !== undefined;
}

/**
 * Does the machine, when it is switched on again, start what is on its disk and report that? A machine that was
 * switched off during a build starts that build again instead, although nobody waits for it any more.
 */
export function canRevive({ onDisk, order }: Pick<EnvironmentState, 'onDisk' | 'order'>): boolean {
  return onDisk !== undefined && (order?.finished === 'ready' || order?.finished === 'failed');
}

/**
 * True if no other spec can have been sent after this one. A number that is used up, and whose deployment spec the row
 * does not have, belongs to a spec that may have reached the host or may still reach it.
 */
export function isLastSent({ order, generation }: Pick<EnvironmentState, 'order' | 'generation'>): boolean {
  return order?.generation === generation;
}

/** Did the deployment of this very commit fail? A failure of another commit says nothing about it. */
export function hasFailed(
  { failure }: Pick<EnvironmentState, 'failure'>,
  commit: string | undefined,
): boolean {
  return failure !== undefined && failure.sha === commit;
}
