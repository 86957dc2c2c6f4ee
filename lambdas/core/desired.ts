import type { EnvironmentState } from './environment.ts';
import { AWAY_DISK_KEPT, PAUSED_RECHECK } from './limits.ts';
import { type Asks, askedAt, isNewer } from './requests.ts';

/**
 * Decides what an environment should be, and why. Pure, and the only place that decides it: each new reason to run, or
 * not to run, is a new entry of `rules`.
 *
 * Each rule gives a ceiling, and the lowest ceiling wins. Among equal ceilings, people see the reason of the first, and
 * the shortest `keep` counts. A rule that lacks its facts abstains: Eph never guesses that a preview should go.
 */
export const levels = ['absent', 'cold', 'asleep', 'serving'] as const;
/** `absent`: nothing exists. `cold`: name and row, no machine. `asleep`: the machine is off and its disk is kept. */
export type Level = (typeof levels)[number];

/** Why an open pull request gets no preview. */
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
  /** The commit that should be served; undefined while no forge has confirmed the pull request. */
  commit: string | undefined;
  reason: Reason;
  /** How long the disk is kept after the moment from which the environment was not wanted any more, ms. */
  keep: number;
  /** Epoch ms of the next moment at which a rule may decide differently although no fact has changed. */
  recheckAt?: number;
}

/** The operator's settings that the rules use. */
export interface Policy {
  /** Milliseconds between closing and terminating; the disk is kept so long in case the pull request is reopened. */
  terminateAfter: number;
  /** The repository is on the operator's list; otherwise it must have an `eph.yaml`. */
  listed: boolean;
  /** The operator's list excludes the repository; an `eph.yaml` does not change that. */
  excluded?: boolean;
  /** An environment that is unused for this long is put to sleep; undefined: never. */
  idle?: number;
  /** An environment that is unused for this long loses its disk; undefined: never. */
  ttl?: number;
}

/** The part of a row that the rules read. */
export interface Wanted {
  state: Pick<
    EnvironmentState,
    'pull' | 'paused' | 'away' | 'closedAt' | 'settings' | 'approved' | 'activeAt' | 'keepUntil' | 'order'
  >;
  asks?: Asks;
}

interface Opinion {
  /** Undefined: the rule has no objection now. */
  ceiling?: { level: Exclude<Level, 'serving'>; reason: Reason; keep: number };
  recheckAt?: number;
}
type Rule = (wanted: Wanted, policy: Policy, now: number) => Opinion | undefined;

/** The rules run in this order; `Reason` lists the names of their results. */
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
  // No lower level exists, and only a new fact can raise the environment again.
  const rechecks = level === 'absent' ? [] : opinions.flatMap(({ recheckAt }) => recheckAt ?? []);
  const soonest = rechecks.length > 0 ? { recheckAt: Math.min(...rechecks) } : {};
  return { level, commit, reason, keep, ...soonest };
}

/** A fork's newest commit needs an approval first; until then the approved commit continues to serve. */
function commitOf({ state: { pull, approved } }: Wanted): string | undefined {
  return pull?.fork && approved !== undefined ? approved : pull?.sha;
}

function operatorCloses({ state }: Wanted): Opinion | undefined {
  return state.paused === 'closed' ? absent('operator-closed', 0) : undefined;
}

function hasEnded({ state }: Wanted, { terminateAfter }: Policy, now: number): Opinion | undefined {
  const { pull, away, closedAt = now } = state;
  // Lost access may come back (the App is installed again): the disk is kept for at least a day from the loss.
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

/** While the settings are not known, they are no reason to decline. */
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
  // `make resume` wakes every environment; this recheck is for those that it missed.
  return { ...asleep('operator-everything'), recheckAt: now + PAUSED_RECHECK };
}

/** Somebody stopped it on purpose, so a push does not wake it. */
function stopIsAsked({ asks }: Wanted): Opinion | undefined {
  const holds = isNewer(asks?.stop, asks?.wake) && isNewer(asks?.stop, asks?.deploy);
  return holds ? asleep('asked-stop') : undefined;
}

function isEvicted({ state, asks }: Wanted): Opinion | undefined {
  const at = askedAt(asks?.evict);
  const activeAt = lastActive(state, asks);
  return at !== undefined && (activeAt === undefined || at > activeAt) ? asleep('evicted') : undefined;
}

/** A build counts as use: the person who pushed is waiting for it. */
function isIdle({ state, asks }: Wanted, { idle }: Policy, now: number): Opinion | undefined {
  const activeAt = lastActive(state, asks);
  const isBuilding = state.order !== undefined && state.order.finished === undefined;
  if (idle === undefined || activeAt === undefined || isBuilding) return undefined;
  return now < activeAt + idle ? { recheckAt: activeAt + idle } : asleep('idle');
}

/** The time of the last use, wake or deployment, whichever is the newest. */
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
