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
 * Every method either did what it says, found that it was done, or threw an EphError of the four kinds.
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
  /** By the prefix of keys; without one, GitHub. */
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

/** What a messenger says beside "look again". */
export interface MessageFacts {
  asked?: Asked | undefined;
  hints?: readonly Hint[];
}

/** Who writes the state of a row. */
export interface Holder {
  leaseId: string;
  /**
   * Counts the writes of this holder, from 1. A write that takes effect after a later one of the same holder is refused:
   * its caller had no answer, gave up, and has gone on since.
   */
  write: number;
}

/** What the holder leaves behind. */
export interface Release {
  /** As the holder has read it last. */
  wakes: number;
  state: EnvironmentState;
  nextLookAt: number | undefined;
  /** The holder has acted on every hint that it read. */
  acted: boolean;
}

/** The table of rows. All writes are conditional but a messenger's own word. */
export interface Environments {
  /**
   * A messenger's word: `ADD wakes 1` and, with a source, where the repository is said to be (this makes the
   * row if need be). Hints are kept until a holder has acted on them; a request goes into its register, if it is newer
   * than what stands there. Undefined, and nothing written: no source and no such row, or the request is a repetition.
   */
  wake(key: string, source: Source | undefined, now: number, said?: MessageFacts): Promise<Row | undefined>;
  /**
   * The same word and the lease in one write, which makes the row due when the lease ends. Undefined, and
   * nothing written: somebody holds the lease, there is no source and no such row, or the request is a repetition.
   */
  claim(
    key: string,
    source: Source | undefined,
    lease: Lease,
    now: number,
    said?: MessageFacts,
  ): Promise<Row | undefined>;
  /** A timer's claim: only if the row's next look has come. */
  claimIfDue(key: string, lease: Lease, now: number): Promise<Row | undefined>;
  /** Throws a conflict when the lease is no longer held, or a later write of the same holder has taken effect. */
  save(key: string, holder: Holder, state: EnvironmentState): Promise<void>;
  /** Saves, releases the lease and sets the next look; false when a message came since `wakes` was read (nothing is written). */
  release(key: string, holder: Holder, release: Release): Promise<boolean>;
  /** Undefined also for a row that only a newer version can read. */
  read(key: string): Promise<Row | undefined>;
  /** Keys whose `nextLookAt` has passed, oldest first, at most `limit`. Reads in proportion to what is due. */
  due(now: number, limit: number): Promise<string[]>;
  /** Of this forge alone: ids are numbers that another one may have given too. */
  ofRepository(repositoryId: number, forge?: string): Promise<string[]>;
  ofAccess(access: string, forge?: string): Promise<string[]>;
  /** Every row, page by page; throws rather than return a partial list. */
  all(): Promise<AllRows>;
}

export interface AllRows {
  rows: Row[];
  /** Keys of rows that only a newer version can read, after a roll-back: whatever is theirs is left alone. */
  unreadable: string[];
}

/** Everything that is written once and read by people: builds and events. */
export interface Records {
  beginBuild(build: Build): Promise<void>;
  endBuild(environment: string, generation: number, end: BuildEnd): Promise<void>;
  /** One item per run: what was decided and done, in order. */
  putEvents(environment: string, delivery: string, events: Event[]): Promise<void>;
  /** Sighting of something that should not exist; returns when it was first seen, forgetting what was long ago. */
  sightOrphan(kind: string, id: string, now: number): Promise<number>;
  forgetOrphan(kind: string, id: string): Promise<void>;
  /**
   * Sighting of an access that is gone: since when, and when others of today went. One that was not seen gone for a
   * while is forgotten.
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
  /** What the operator says of all environments, not older than so many milliseconds; 0 asks anew. */
  pause(maxAge: number): Promise<Pause>;
}

export interface RepositorySecrets {
  /** Variables that the operator keeps for this repository's applications; for no fork's eyes. */
  of(repositoryId: number, forge?: string): Promise<Record<string, string>>;
}

/** How to reach a repository: by its id, its names as last known, and what opens it to us. */
export interface RepositoryRef {
  repositoryId: number;
  /** Only its forge understands it: of GitHub the installation's id. */
  access: string;
  owner: string;
  name: string;
}

export interface PullQuestion {
  repositoryId: number;
  /** Undefined for what is no pull request; a forge that cannot read anything else says so. */
  number?: number;
  /** Where the forge itself said last that the repository is; the message's word is tried beside it. */
  confirmed: RepositoryRef | undefined;
  said: RepositoryRef;
  /** Who may see the repository may have changed: nothing counts that an older token may read. */
  freshly: boolean;
}

export type PullAnswer =
  | { kind: 'known'; pull: PullRequest; access: string }
  /** The repository is there and has no such pull request. */
  | { kind: 'no-pull' }
  /** Proved: we may not see the repository. With an access: because all that this one opened is gone. */
  | { kind: 'no-access'; lostAccess?: string }
  /** It was refused and it is not certain why: changes nothing. */
  | { kind: 'unknown'; why: string };

export interface Jobs {
  /** Delay in milliseconds, at most 15 minutes. */
  send(job: Job, delay?: number): Promise<void>;
  /** Ten in one call; throws when one of them was not taken. */
  sendAll(jobs: readonly Job[]): Promise<void>;
  /** Takes up to ten dead letters and deletes each after `handle` resolved. Returns how many. */
  drainDeadLetters(handle: (body: string) => Promise<void>): Promise<number>;
}
