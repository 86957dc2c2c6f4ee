import type { EnvironmentState, LaunchIntent, Lease, PullRequest, Row, Source } from '#core/environment';
import type { Arch } from '#core/instance-types';
import type { Job } from '#core/job';
import type { Order, Progress, Result } from '#core/mailbox';
import type { Pause } from '#core/pause';
import type { Summary } from '#core/summary';
import type { Forge } from './providers/forge.ts';
import type { Ingress } from './providers/ingress.ts';

/**
 * The outside world as the control plane sees it. Each port has one adapter (`adapters/`, `providers/`) and one
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
  machines: Machines;
  bell: Bell;
  mailbox: Mailbox;
  ingress: Ingress;
  forge: Forge<Summary>;
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

/** The table of rows. All writes are conditional but a messenger's own word. */
export interface Environments {
  /**
   * A messenger's word: `ADD wakes 1` and, with a source, where the repository is said to be (this makes the
   * row if need be). Undefined: no source and no such row.
   */
  wake(key: string, source: Source | undefined, now: number): Promise<Row | undefined>;
  /**
   * The same word and the lease in one write, which makes the row due when the lease ends. Undefined, and
   * nothing written: somebody holds the lease, or there is no source and no such row.
   */
  claim(key: string, source: Source | undefined, lease: Lease, now: number): Promise<Row | undefined>;
  /** A timer's claim: only if the row's next look has come. */
  claimIfDue(key: string, lease: Lease, now: number): Promise<Row | undefined>;
  /** The holder's word. Throws a conflict when the lease is no longer held. */
  save(key: string, leaseId: string, state: EnvironmentState): Promise<void>;
  /** Saves, lets go and sets the next look; false when a message came since `wakes` was read (nothing is let go). */
  release(
    key: string,
    leaseId: string,
    wakes: number,
    state: EnvironmentState,
    nextLookAt: number | undefined,
  ): Promise<boolean>;
  read(key: string): Promise<Row | undefined>;
  /** Keys whose `nextLookAt` has passed, oldest first, at most `limit`. Reads in proportion to what is due. */
  due(now: number, limit: number): Promise<string[]>;
  ofRepository(repositoryId: number): Promise<string[]>;
  ofAccess(access: string): Promise<string[]>;
  /** Every row, page by page; throws rather than return a partial list. */
  all(): Promise<AllRows>;
}

export interface AllRows {
  rows: Row[];
  /** Keys of rows that only a newer version can read, after a roll-back: whatever is theirs is left alone. */
  unreadable: string[];
}

/** Everything that is written once and read by people: who owns a host, builds, events. */
export interface Records {
  putHost(instanceId: string, environment: string, now: number): Promise<void>;
  /** The environment a host belongs to: a report is believed for this one only. */
  environmentOfHost(instanceId: string): Promise<string | undefined>;
  /** A host wrote a report: whose it is, and whether it is looked at now. Two calls at the most, often none. */
  admitReport(instanceId: string, now: number): Promise<ReportAdmission>;
  /** The look that `postponed` asked for is on its way: what comes until then is dropped. */
  holdReports(instanceId: string, until: number): Promise<void>;
  forgetHost(instanceId: string): Promise<void>;
  hosts(): Promise<{ instanceId: string; environment: string; since: number }[]>;
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

export type ReportAdmission =
  | { kind: 'admitted'; environment: string }
  /** Too many of late: one look later is for all of them. */
  | { kind: 'postponed'; environment: string }
  /** That look is on its way. */
  | { kind: 'dropped' }
  /** A machine of no environment. */
  | { kind: 'stranger' };

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
  of(repositoryId: number): Promise<Record<string, string>>;
}

/** What a new host should be. */
export interface Wish {
  arch: Arch;
  /** The first is asked for in each subnet before the next one is. */
  instanceTypes: readonly string[];
  /** How often EC2 has said no in a row. */
  refusals: number;
}

export interface Described {
  power: Power;
  /** Why EC2 ended it, in EC2's words. */
  reason?: string;
}

export interface Machines {
  /** RunInstances with the frozen intent; the same intent again finds the same instance. */
  launch(intent: LaunchIntent, environment: string, attempt: number): Promise<{ instanceId: string }>;
  /** By the intent's token: for a launch whose answer was lost. */
  findByToken(clientToken: string): Promise<{ instanceId: string; power: Power } | undefined>;
  /** Undefined: EC2 does not know it (yet, or any more). */
  describe(instanceId: string): Promise<Described | undefined>;
  start(instanceId: string): Promise<void>;
  stop(instanceId: string): Promise<void>;
  /** Succeeds when it is gone already. */
  terminate(instanceId: string): Promise<void>;
  /** Where and from what the next host would be launched: image and template version as of now. */
  blueprint(attempt: number, wish: Wish): Promise<Blueprint>;
  /** All instances with this deployment's mark that are not terminated; throws rather than return a partial list. */
  list(): Promise<{ instanceId: string; environment: string; launchedAt: number; power: Power }[]>;
}

export type Power = 'on' | 'off' | 'gone';

export type Blueprint = Omit<LaunchIntent, 'clientToken' | 'userData'>;

export interface Bell {
  /** Tells a running host to read its mailbox. False: its SSM agent is not there yet; it reads by itself. */
  ring(instanceId: string, generation: number): Promise<boolean>;
}

export interface Mailbox {
  mail(instanceId: string, order: Order): Promise<void>;
  progress(instanceId: string): Promise<Progress | undefined>;
  result(instanceId: string): Promise<Result | undefined>;
  /** Everything under the host's prefix; a host may write so much that it takes several tries (transient). */
  clear(instanceId: string): Promise<void>;
  /** Instance ids that have a mailbox, whatever is in it; throws rather than return a partial list. */
  list(): Promise<string[]>;
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
  number: number;
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
