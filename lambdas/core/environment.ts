import type { Level, Reason } from './desired.ts';
import type { Handle } from './handle.ts';
import type { Hint } from './hints.ts';
import type { Pause } from './pause.ts';
import type { PreviewConfig } from './preview-config.ts';
import type { DeployStage, HostFailure, PublicService, Result } from './report.ts';
import type { Asks, Verb } from './requests.ts';

/**
 * One row per environment: what is wanted, what exists, what was told to people.
 *
 * Two kinds of writer share the row and never each other's fields:
 * - messengers (a webhook's job, a host's report, the sweep) write `wakes`, `source`, `asks` and `hints`;
 * - the holder of the lease writes `state`, on condition that it still holds the lease, and removes the hints on which
 *   it has acted.
 *
 * `state` is written before an effect whenever a crash after the effect could not be told from a crash
 * before it (launch, address, deployment spec, the first words to people), and when the lease is released: every
 * other step finds what it made when it is repeated.
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
  /** `environment-key.ts`; the three after it are parts of it. */
  key: string;
  /** Undefined: GitHub, whose keys are bare. */
  forge?: string;
  repositoryId: number;
  /** Of the pull request; undefined for what is none. */
  number?: number;
  /** Messages that said "look again". Release is conditional on it: a message during the work is never lost. */
  wakes: number;
  /** Where the last message said the repository is; the forge's answer replaces it in `state`. */
  source: Source;
  lease?: Lease;
  nextLookAt?: number;
  /** The next look that the row was waiting for when the lease was taken. */
  dueAt?: number;
  /** Whose lease ended without being released: that run died, and what it did last is in no row. */
  takenFrom?: string;
  /** What people asked for; messengers write it. */
  asks?: Asks;
  /** What messages knew, on which nobody has acted yet. */
  hints?: readonly Hint[];
  state: EnvironmentState;
}

export interface Lease {
  id: string;
  until: number;
}

export interface Source {
  /** What opens the repository to us; its forge's own word, and empty where it needs none. */
  access: string;
  owner: string;
  name: string;
  /** Delivery that wrote it: runs on through the host's log and `make trace`. */
  delivery: string;
}

export interface EnvironmentState {
  /** For display only (`phase.ts`). */
  phase: Phase;
  phaseSince: number;
  createdAt: number;
  /** Label and main hostname, fixed at the first look: a URL outlives renames. */
  name?: string;
  hostname?: string;
  pull?: PullRequest;
  /** By which the forge confirmed `pull` last. */
  access?: string;
  /** It was seen to be gone, and not seen again since. */
  lostAccess?: string;
  /** First of the two sightings of a repository without this pull request. */
  goneSince?: number;
  /** Proved: the App may not see the repository, or the pull request is not there. `pull` is what was seen last. */
  away?: { since: number; why: 'no-access' | 'no-pull' };
  closedAt?: number;
  /** For display only: what it should be, and why (`desired.ts`). */
  wanted?: { level: Level; reason: Reason };
  /** The commit of a fork that somebody who may write has approved; it serves until another one is. */
  approved?: string;
  /** Last use, push or wake that is known, epoch ms. */
  activeAt?: number;
  /** Somebody asked to keep it until then. */
  keepUntil?: number;
  /** Of requests that act once: the newest that was acted on. */
  applied?: Partial<Record<Verb, string>>;
  /** What the operator had said when the forge was asked last. */
  paused?: Exclude<Pause, 'no'>;
  /** `eph.yaml` at `sha`, parsed. */
  settings?: {
    sha: string;
    config: PreviewConfig;
    found: boolean;
    /** Is there anything in the repository that could be started? Asked only without an `eph.yaml`. */
    runnable?: boolean;
    /** Sentences for people about files that are nearly right. */
    hints?: string[];
  };
  /** Hosts tried since the pull request was opened or reopened; part of the client token. */
  attempt: number;
  host?: Host;
  /** Hosts in a row that were switched on and never answered. */
  silentHosts: number;
  /** Counts how often the address was taken away: what is still in deletion must not be found by its name. */
  openings: number;
  /** How people reach it, as the ingress remembers it. Absent: nothing is left to take away. */
  ingress?: Handle;
  /** Its address has begun to be taken away. That is finished first, also for one that is wanted again meanwhile. */
  withdrawing?: true;
  /** Counts what the host was told to deploy. */
  generation: number;
  order?: SentSpec;
  services: PublicService[];
  warnings: string[];
  timings?: Result['timings'];
  serving?: { sha: string; generation: number; since: number };
  /** What the machine's disk serves when it is switched on again. */
  onDisk?: { sha: string; generation: number };
  /** What people were told last, and where; the forge's own. */
  told?: Handle;
  failure?: Failure;
  /** By step, or `observe`: what failed last time and holds back its own kind only. */
  retries: Record<string, Retry>;
  /** Start of the first build that has not finished since something last did; see STARVATION. */
  unfinishedSince?: number;
  /** Until when the calls to the forge that were made are paid for. */
  callsPaidUntil?: number;
  /** Runs in a row that a timer of its own began, this one included; see MAX_TIMERS_IN_A_ROW. */
  timersInARow?: number;
  /** Epoch seconds; DynamoDB forgets the tombstone after it. */
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
  /** The provider's. */
  handle: Handle;
  /** When it was last switched on. */
  startedAt: number;
  /** `unknown`: begun, and not known whether it was made. `gone`: ended without us; the rest of it is to be removed. */
  power: 'unknown' | 'on' | 'off' | 'gone';
  /** Why it is gone, in the cloud's words. */
  ended?: string;
  /** Has it answered since it was switched on? Until then a slow boot and a dead one look alike. */
  heard: boolean;
  /** Has it ever? Then its disk may hold people's data, and goes only with the environment. */
  everHeard?: true;
  /** Since when it is known to be off, epoch ms: what it reported before is no sign that it is awake. */
  offSince?: number;
}

export interface SentSpec {
  generation: number;
  revision: number;
  sha: string;
  source: 'archive' | 'git';
  mailedAt: number;
  /** A host that is up must be notified; one that is booting reads its mailbox by itself. */
  rung: boolean;
  /** What the host cannot go on without: it waits for the next revision. */
  needs?: 'archive' | 'git';
  /** What takes so long, as the host said last. */
  doing?: { stage: DeployStage; waiting: string };
  finished?: 'ready' | 'failed' | 'superseded';
}

export interface Failure {
  code: string;
  sentence: string;
  /** The commit it belongs to: another push is another try. */
  sha: string;
  at: number;
  service?: string;
  /** The commit that served before and could not be started again. */
  lost?: string;
  log: HostFailure['log'];
}

/** Kept in the row, not in the queue: a queue's retries would burn its receive count and end in dead letters. */
export interface Retry {
  count: number;
  /** When it failed for the first time since it last went through. */
  since?: number;
  notBefore: number;
  /** The vendor named the time (`retry-after`): no message shortens it. */
  insisted: boolean;
  /** There was no room for a machine. */
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

/** Hostnames that must lead to it: the main one at once, services' own as soon as the host has planned. */
export function wantedHostnames(state: EnvironmentState): string[] {
  if (!state.hostname) return [];
  return [...new Set([state.hostname, ...state.services.map((service) => service.hostname)])];
}

/** Is anything left in a cloud that this row must take away? */
export function ownsAnything(state: EnvironmentState): boolean {
  return state.host !== undefined || state.ingress !== undefined;
}

/**
 * Does the machine, once it is switched on, start what is on its disk and say so? One that was switched off in the
 * middle of a build begins that build again instead, which nobody waits for any more.
 */
export function canRevive({ onDisk, order }: Pick<EnvironmentState, 'onDisk' | 'order'>): boolean {
  return onDisk !== undefined && (order?.finished === 'ready' || order?.finished === 'failed');
}

/**
 * Nothing was sent after it, as far as anybody can know. A number that is used up, and whose deployment spec the row does not
 * have, belongs to one that may be with the host, or get there yet.
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
