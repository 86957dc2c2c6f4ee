import type { EnvironmentState, Lease, PullRequest, Row, Source } from '#core/environment';
import type { Hint } from '#core/hints';
import type { Job } from '#core/job';
import type { Pause } from '#core/pause';
import type { Asked } from '#core/requests';
import type { Summary } from '#core/summary';
import type { Compute } from './providers/compute.ts';
import type { Forge } from './providers/forge.ts';
import type { Ingress } from './providers/ingress.ts';

/**
 * What the control plane depends on. Each port has one adapter (`adapters/`, `providers/`) and one
 * fake that keeps state (`tests/fakes/`); nothing else in `lambdas/` knows a vendor.
 *
 * Every method either did its work, found that the work was done before, or threw an EphError of one of the four kinds.
 */
export interface Ports {
  now(): number;
  newId(): string;
  environments: Environments;
  records: Records;
  operator: Operator;
  secrets: RepositorySecrets;
  compute: Compute;
  ingress: Ingress;
  /** The forges by the prefix of their keys; GitHub has none. */
  forges: ReadonlyMap<string | undefined, Forge<Summary>>;
  jobs: Jobs;
  log(line: LogLine): void;
}

export interface LogLine {
  level: 'info' | 'warn' | 'error';
  message: string;
  environment?: string;
  delivery?: string;
  step?: string;
  outcome?: string;
  [detail: string]: unknown;
}

/** What a message reports in addition to "reconcile again". */
export interface MessageFacts {
  asked?: Asked | undefined;
  hints?: readonly Hint[];
}

/** The writer of a row's state. */
export interface Holder {
  leaseId: string;
  /**
   * Counts the writes of this holder, from 1. A write that takes effect after a later one of the same holder is
   * refused: its caller got no answer, gave up, and has continued since.
   */
  write: number;
}

/** What the holder writes at the release. */
export interface Release {
  /** The count of wakes, as the holder has read it last. */
  wakes: number;
  state: EnvironmentState;
  nextLookAt: number | undefined;
  /** The holder has acted on every hint that it read. */
  acted: boolean;
}

/** The table of rows. All writes are conditional, except a messenger's own wake. */
export interface Environments {
  /**
   * A messenger's write: `ADD wakes 1` and, with a source, where the repository is according to the message (this makes
   * the row if there is none). Hints are kept until a holder has acted on them; a request goes into its register if it
   * is newer than the register's. Undefined, and nothing written: no source and no such row, or the request is a
   * repetition.
   */
  wake(key: string, source: Source | undefined, now: number, said?: MessageFacts): Promise<Row | undefined>;
  /**
   * The same write together with the lease, which makes the row due when the lease ends. Undefined, and
   * nothing written: a run holds the lease, there is no source and no such row, or the request is a repetition.
   */
  claim(
    key: string,
    source: Source | undefined,
    lease: Lease,
    now: number,
    said?: MessageFacts,
  ): Promise<Row | undefined>;
  /** A timer's claim: it succeeds only if the time of the row's next reconcile has come. */
  claimIfDue(key: string, lease: Lease, now: number): Promise<Row | undefined>;
  /** Throws a conflict when the lease is no longer held, or a later write of the same holder has taken effect. */
  save(key: string, holder: Holder, state: EnvironmentState): Promise<void>;
  /** Saves, releases the lease and sets the next reconcile; false, and nothing written, if a new message came. */
  release(key: string, holder: Holder, release: Release): Promise<boolean>;
  /** Undefined also for a row that only a newer version can read. */
  read(key: string): Promise<Row | undefined>;
  /** Keys whose `nextLookAt` has passed, oldest first, at most `limit`. The cost depends only on how many are due. */
  due(now: number, limit: number): Promise<string[]>;
  /** Keys of this forge only: ids are numbers, and another forge may use the same ones. */
  ofRepository(repositoryId: number, forge?: string): Promise<string[]>;
  ofAccess(access: string, forge?: string): Promise<string[]>;
  /** Every row, page by page; throws rather than return a partial list. */
  all(): Promise<AllRows>;
}

export interface AllRows {
  rows: Row[];
  /** Keys of rows that only a newer version can read, after a roll-back: all that belongs to them is left alone. */
  unreadable: string[];
}

/** Everything that is written once and read by people: builds and events. */
export interface Records {
  beginBuild(build: Build): Promise<void>;
  endBuild(environment: string, generation: number, end: BuildEnd): Promise<void>;
  /** One item per run: what was decided and done, in order. */
  putEvents(environment: string, delivery: string, events: Event[]): Promise<void>;
  /** Records a sighting of an orphan; returns when it was first seen, and forgets first sightings of long ago. */
  sightOrphan(kind: string, id: string, now: number): Promise<number>;
  forgetOrphan(kind: string, id: string): Promise<void>;
  /**
   * Records a sighting of a lost access: returns since when it is lost, and when others were lost today. A lost access
   * that was not seen for a while is forgotten.
   */
  sightLostAccess(access: string, now: number): Promise<{ since: number; others: number[] }>;
  forgetLostAccess(access: string): Promise<void>;
}

export interface Build {
  environment: string;
  generation: number;
  sha: string;
  delivery: string;
  startedAt: number;
}

export interface BuildEnd {
  state: 'ready' | 'failed' | 'superseded';
  finishedAt: number;
  timings?: Record<string, number>;
  failure?: { code: string; sentence: string };
}

export interface Event {
  at: number;
  cause: string;
  step: string;
  outcome: string;
  millis: number;
}

export interface Operator {
  /** The operator's pause, not older than this many milliseconds; 0 asks again. */
  pause(maxAge: number): Promise<Pause>;
}

export interface RepositorySecrets {
  /** Variables that the operator keeps for this repository's applications; a fork must never get them. */
  of(repositoryId: number, forge?: string): Promise<Record<string, string>>;
}

/** How to reach a repository: its id, its last known names, and what gives Eph access to it. */
export interface RepositoryRef {
  repositoryId: number;
  /** Only its forge understands it: for GitHub it is the installation's id. */
  access: string;
  owner: string;
  name: string;
}

export interface PullQuestion {
  repositoryId: number;
  /** Undefined for an environment that is not of a pull request; a forge that needs one reports that. */
  number?: number;
  /** Where the forge itself last confirmed the repository; the place that the message names is tried beside it. */
  confirmed: RepositoryRef | undefined;
  said: RepositoryRef;
  /** Who may see the repository may have changed: an answer to an older token does not count. */
  freshly: boolean;
}

export type PullAnswer =
  | { kind: 'known'; pull: PullRequest; access: string }
  /** The repository exists and has no such pull request. */
  | { kind: 'no-pull' }
  /** Proved: Eph may not see the repository. With `lostAccess`: that access has lost all of its repositories. */
  | { kind: 'no-access'; lostAccess?: string }
  /** The question was refused and the reason is not certain: this changes nothing. */
  | { kind: 'unknown'; why: string };

export interface Jobs {
  /** The delay is in milliseconds, at most 15 minutes. */
  send(job: Job, delay?: number): Promise<void>;
  /** Ten in one call; throws if one of them was not accepted. */
  sendAll(jobs: readonly Job[]): Promise<void>;
  /** Takes up to ten dead letters and deletes each after `handle` resolved. Returns how many. */
  drainDeadLetters(handle: (body: string) => Promise<void>): Promise<number>;
}
