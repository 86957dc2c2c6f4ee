import type { EnvironmentState } from './environment.ts';
import { AWAY_DISK_KEPT, PAUSED_RECHECK } from './limits.ts';
import { type Asks, askedAt, isNewer } from './requests.ts';

/**
 * What an environment should be, and why. Pure, and the one place that says it: a further reason to run, or not to,
 * is a further row of `rules`.
 *
 * Each rule gives a ceiling; the lowest of them wins. Of equal ones the first is told to people, and the shortest
 * `keep` counts. A rule that lacks its facts abstains: it is never guessed that somebody's preview should go.
 */
export const levels = ['absent', 'cold', 'asleep', 'serving'] as const;
/** `absent`: nothing at all. `cold`: name and row, no machine. `asleep`: the machine is off, its disk is kept. */
export type Level = (typeof levels)[number];

/** Why a pull request that is open gets no preview. */
export const declines = ['fork', 'bot', 'draft', 'unlisted', 'excluded', 'nothing-to-run'] as const;
export type Decline = (typeof declines)[number];

export type Reason =
  | 'wanted'
  | 'operator-closed'
  | 'closed'
  | 'merged'
  | 'archived'
  | 'no-access'
  | 'no-pull'
  | 'asked-destroy'
  | Decline
  | 'expired'
  | 'operator-everything'
  | 'asked-stop'
  | 'evicted'
  | 'idle';

export interface Desired {
  level: Level;
  /** What should be served; undefined while no forge has confirmed the pull request. */
  commit: string | undefined;
  reason: Reason;
  /** For how long the disk outlives the moment from which nothing was wanted any more, ms. */
  keep: number;
  /** Epoch ms: when any rule changes its mind by itself. */
  recheckAt?: number;
}

/** What the operator has set. */
export interface Policy {
  /** Milliseconds between closing and terminating; the disk waits for a reopening. */
  terminateAfter: number;
  /** The repository is on the operator's list; otherwise it must have an `eph.yaml`. */
  listed: boolean;
  /** The operator's list takes it out, and then an `eph.yaml` does not help. */
  excluded?: boolean;
  /** Unused for so long, it sleeps; undefined: never. */
  idle?: number;
  /** Unused for so long, its disk goes; undefined: never. */
  ttl?: number;
}

/** The part of a row that is looked at. */
export interface Wanted {
  state: Pick<
    EnvironmentState,
    'pull' | 'paused' | 'away' | 'closedAt' | 'settings' | 'approved' | 'activeAt' | 'keepUntil' | 'order'
  >;
  asks?: Asks;
}

interface Opinion {
  /** Undefined: no objection, now. */
  ceiling?: { level: Exclude<Level, 'serving'>; reason: Reason; keep: number };
  recheckAt?: number;
}
type Rule = (wanted: Wanted, policy: Policy, now: number) => Opinion | undefined;

/** In this order; see `Reason` for what each is called. */
export const rules: readonly Rule[] = [
  operatorCloses,
  hasEnded,
  destroyIsAsked,
  isDeclined,
  hasExpired,
  operatorPutsToSleep,
  stopIsAsked,
  isEvicted,
  isIdle,
];

export function desired(wanted: Wanted, policy: Policy, now: number): Desired {
  const opinions = rules.flatMap((rule) => rule(wanted, policy, now) ?? []);
  const ceilings = opinions.flatMap(({ ceiling }) => ceiling ?? []);
  const commit = commitOf(wanted);
  const lowest = Math.min(...ceilings.map(({ level }) => levels.indexOf(level)));
  const alike = ceilings.filter(({ level }) => levels.indexOf(level) === lowest);
  const [first] = alike;
  const keep = first ? Math.min(...alike.map((ceiling) => ceiling.keep)) : policy.terminateAfter;
  const { level, reason } = first ?? { level: 'serving', reason: 'wanted' };
  // There is nothing below, and it takes another fact to get up again.
  const rechecks = level === 'absent' ? [] : opinions.flatMap(({ recheckAt }) => recheckAt ?? []);
  const soonest = rechecks.length > 0 ? { recheckAt: Math.min(...rechecks) } : {};
  return { level, commit, reason, keep, ...soonest };
}

/** A fork's newest commit waits for somebody's word; what was approved goes on serving. */
function commitOf({ state: { pull, approved } }: Wanted): string | undefined {
  return pull?.fork && approved !== undefined ? approved : pull?.sha;
}

function operatorCloses({ state }: Wanted): Opinion | undefined {
  return state.paused === 'closed' ? absent('operator-closed', 0) : undefined;
}

function hasEnded({ state }: Wanted, { terminateAfter }: Policy, now: number): Opinion | undefined {
  const { pull, away, closedAt = now } = state;
  // Access that was lost may come back (an App that is installed again): its disk waits a day from then, at least.
  if (away) return absent(away.why, Math.max(terminateAfter, away.since + AWAY_DISK_KEPT - closedAt));
  if (!pull) return undefined;
  if (pull.state === 'closed') return absent(pull.merged ? 'merged' : 'closed', terminateAfter);
  return pull.archived ? absent('archived', terminateAfter) : undefined;
}

function destroyIsAsked({ asks }: Wanted): Opinion | undefined {
  return isNewer(asks?.destroy, asks?.deploy) ? absent('asked-destroy', 0) : undefined;
}

function isDeclined({ state }: Wanted, policy: Policy): Opinion | undefined {
  const reason = declineOf(state, policy);
  return reason && absent(reason, policy.terminateAfter);
}

/** Before its settings are known, nothing is held against it. */
export function declineOf(
  { pull, settings, approved }: Wanted['state'],
  { excluded, listed }: Policy,
): Decline | undefined {
  if (!pull) return undefined;
  if (excluded) return 'excluded';
  if (pull.fork && approved === undefined) return 'fork';
  if (pull.bot) return 'bot';
  if (pull.draft) return 'draft';
  if (settings?.sha !== pull.sha || settings.found) return undefined;
  if (!listed) return 'unlisted';
  return settings.runnable === false ? 'nothing-to-run' : undefined;
}

function hasExpired({ state, asks }: Wanted, { ttl }: Policy, now: number): Opinion | undefined {
  const activeAt = lastActive(state, asks);
  if (ttl === undefined || activeAt === undefined) return undefined;
  const at = Math.max(activeAt + ttl, state.keepUntil ?? 0);
  return now < at ? { recheckAt: at } : { ceiling: { level: 'cold', reason: 'expired', keep: 0 } };
}

function operatorPutsToSleep({ state }: Wanted, _policy: Policy, now: number): Opinion | undefined {
  if (state.paused !== 'everything') return undefined;
  // Whoever resumes wakes everybody; this is for whom that missed.
  return { ...asleep('operator-everything'), recheckAt: now + PAUSED_RECHECK };
}

/** Somebody stopped it on purpose, so that a push does not wake it. */
function stopIsAsked({ asks }: Wanted): Opinion | undefined {
  const holds = isNewer(asks?.stop, asks?.wake) && isNewer(asks?.stop, asks?.deploy);
  return holds ? asleep('asked-stop') : undefined;
}

function isEvicted({ state, asks }: Wanted): Opinion | undefined {
  const at = askedAt(asks?.evict);
  const activeAt = lastActive(state, asks);
  return at !== undefined && (activeAt === undefined || at > activeAt) ? asleep('evicted') : undefined;
}

/** A build is use: whoever pushed is waiting for it. */
function isIdle({ state, asks }: Wanted, { idle }: Policy, now: number): Opinion | undefined {
  const activeAt = lastActive(state, asks);
  const isBuilding = state.order !== undefined && state.order.finished === undefined;
  if (idle === undefined || activeAt === undefined || isBuilding) return undefined;
  return now < activeAt + idle ? { recheckAt: activeAt + idle } : asleep('idle');
}

/** Used, woken or deployed, whichever came last. */
function lastActive({ activeAt }: Wanted['state'], asks: Asks | undefined): number | undefined {
  const times = [activeAt, askedAt(asks?.wake), askedAt(asks?.deploy)].filter((at) => at !== undefined);
  return times.length > 0 ? Math.max(...times) : undefined;
}

function absent(reason: Reason, keep: number): Opinion {
  return { ceiling: { level: 'absent', reason, keep } };
}

function asleep(reason: Reason): Opinion {
  return { ceiling: { level: 'asleep', reason, keep: Number.POSITIVE_INFINITY } };
}
