import type { Admission } from './admit.ts';
import type { Desired } from './desired.ts';
import {
  canRevive,
  type EnvironmentState,
  type Failure,
  type Host,
  hasFailed,
  isLastSent,
  type PullRequest,
  type SentSpec,
} from './environment.ts';
import type { Handle } from './handle.ts';
import {
  BOOT_DEADLINE,
  DEPLOY_DEADLINE,
  GONE_CONFIRMATION,
  GONE_SIGHTINGS,
  MAX_BOOT_ATTEMPTS,
  MAX_REVISIONS,
  STARVATION,
  UNKNOWN_RETRY,
} from './limits.ts';
import type { Pause } from './pause.ts';
import type { Progress, Result } from './report.ts';

/**
 * The state machine: the difference between what is desired (`desired.ts`) and what exists (`absorb.ts` puts that into
 * the row), one step at a time. Pure and total.
 *
 *   pull request open     settings -> host -> address -> spec -> report -> wait for the host's report
 *   pushed                settings -> spec of the next generation -> notify -> report -> wait
 *   closed (or a draft)   address away at once -> host off -> report -> after TERMINATE_AFTER: host gone -> report
 *   reopened before that  host on -> new address -> new generation
 *   asleep                host off, address stays -> report; awake again: host on -> wait until it answers
 *   held (`admit.ts`)     who has no running host waits; who has one goes on as ever
 *   operator closes       as closed, with nothing kept for a reopening and without a question to the forge
 *
 * Gotchas
 * - The order of the lines in `decide` is the order of importance: closing wins over everything; what costs
 *   the most time (the machine's boot) is begun first; people are told when there is something to click.
 * - A retry holds back its own kind of step only: closing never waits for a launch to be possible again, a
 *   machine is not kept running because its address cannot be taken away yet.
 * - A failure belongs to a commit. Until another commit comes, nothing is tried again, and what served
 *   before goes on serving, also after a sleep. Taking down forgets it: who reopens wants another try.
 * - Waking deploys nothing: the host starts what is on its disk and says when it answers. It asks the forge for
 *   nothing either, so that one's outage wakes nobody less.
 * - A 404 is no evidence: only a proof (`no-access`), or two sightings of a repository without this pull request
 *   (`goneSince`), take the address away, and the disk waits a day longer (`away`). An instance that EC2 does not
 *   know right after its launch is not gone: describe calls lag behind.
 * - A disk goes only when the forge says in this very run that the pull request is closed (or not deployed), or
 *   proves again what it proved a day ago, or when the operator takes Eph down. `unknown` changes nothing.
 */
export interface Facts {
  /** Undefined: not asked, so what the row says is still so. */
  pause?: Pause | undefined;
  pull:
    | { kind: 'known'; pull: PullRequest; access: string }
    /** The repository is there and has no such pull request. */
    | { kind: 'no-pull' }
    /** Proved: we may not see the repository. */
    | { kind: 'no-access' }
    /** Refused, and nobody knows why. */
    | { kind: 'unknown' }
    | { kind: 'unasked' };
  instance:
    | { kind: 'found'; power: 'on' | 'off' | 'gone'; reason?: string | undefined }
    | { kind: 'absent' }
    | { kind: 'unasked' };
  progress?: Progress | undefined;
  result?: Result | undefined;
  /** What is there of the address, and whether hosts are still attached; asked only when a garbage collection missed something. */
  address?: { handle: Handle | undefined; attached: boolean } | undefined;
  /** Every name that is wanted leads to the environment, as the ingress says of what the row remembers. */
  open?: boolean;
}

export type Step =
  | { kind: 'wait'; until?: number; why: string }
  | { kind: 'ask-forge' }
  | { kind: 'read-settings' }
  | { kind: 'launch-host' }
  | { kind: 'start-host' }
  | { kind: 'replace-host' }
  | { kind: 'open-address' }
  | { kind: 'write-spec' }
  | { kind: 'notify-host' }
  | { kind: 'give-up'; failure: Pick<Failure, 'code' | 'sentence'> }
  | { kind: 'withdraw-address' }
  | { kind: 'stop-host' }
  | { kind: 'terminate-host' }
  /** `forget`: the row is a tombstone from now on. */
  | { kind: 'finalize'; forget: boolean }
  | { kind: 'report' };

/** Is there, or is there to be, something to be opened? By the last look at it. */
export function isWanted({ wanted }: EnvironmentState): boolean {
  return wanted?.level === 'serving' || wanted?.level === 'asleep';
}

/** Switched on again with what was on its disk, which has not answered yet. */
export function isWaking(state: EnvironmentState): boolean {
  return state.host?.power === 'on' && !state.host.heard && canRevive(state);
}

/** Given up because it took too long; the host may end it all the same, and then that is what serves. */
export function isLate({ order, failure }: EnvironmentState): boolean {
  return order?.finished === 'failed' && failure?.code === 'deploy_timeout' && failure.sha === order.sha;
}

/** Is a build under way that has not told its end? */
export function isUnfinished(order: SentSpec | undefined): order is SentSpec {
  return order !== undefined && order.finished === undefined;
}

/** What `decide` goes by beside the row. */
export interface Situation {
  desired: Desired;
  admission: Admission;
  facts: Facts;
  /** What people see differs from what is so. */
  reportDue: boolean;
}

/** One step, or until when to wait. */
export function decide(state: EnvironmentState, situation: Situation, now: number): Step {
  const { desired, facts, reportDue } = situation;
  if (!state.pull) return decideUnconfirmed(state, situation, now);
  const isServing = desired.level === 'serving' || desired.level === 'asleep';
  if (state.goneSince !== undefined && now < state.goneSince + GONE_CONFIRMATION && isServing) {
    return { kind: 'wait', until: nextSighting(state, now), why: 'the forge does not know it; ask again' };
  }
  const canReport = reportDue && heldUntil(state, 'report', now) === undefined;
  const step = holdBack(state, stepTo(state, situation, canReport, now), canReport, now);
  if (step.kind !== 'wait') return step;
  // What could not be told, or found out, is tried again in time, whatever else there is to wait for.
  const again = facts.pull.kind === 'unknown' ? now + UNKNOWN_RETRY : undefined;
  const soonestWait = soonest(soonest(step, again), reportDue ? heldUntil(state, 'report', now) : undefined);
  return soonest(soonestWait, desired.recheckAt);
}

/** Nothing exists of what no forge has confirmed. */
function decideUnconfirmed(state: EnvironmentState, { desired, facts }: Situation, now: number): Step {
  const isOver = state.forgetAt !== undefined;
  if (
    desired.level !== 'absent' &&
    state.goneSince !== undefined &&
    now < state.goneSince + GONE_CONFIRMATION
  ) {
    return { kind: 'wait', until: nextSighting(state, now), why: 'the forge does not know it; ask again' };
  }
  if (isOver) return { kind: 'wait', why: 'it never was' };
  const mayAsk = desired.level !== 'absent' && facts.pull.kind === 'unasked';
  return mayAsk ? { kind: 'ask-forge' } : { kind: 'finalize', forget: true };
}

function stepTo(state: EnvironmentState, situation: Situation, canReport: boolean, now: number): Step {
  const { level } = situation.desired;
  if (state.withdrawing && (level === 'serving' || level === 'asleep')) return { kind: 'withdraw-address' };
  switch (level) {
    case 'serving':
      return decideServing(state, situation, canReport, now);
    case 'asleep':
      return decideAsleep(state, situation, canReport);
    case 'cold':
    case 'absent':
      return decideTeardown(state, situation, canReport, now);
  }
}

function heldUntil(state: EnvironmentState, step: Step['kind'], now: number): number | undefined {
  const notBefore = state.retries[step]?.notBefore;
  return notBefore !== undefined && now < notBefore ? notBefore : undefined;
}

/** A step that failed a moment ago waits; meanwhile people are told how things are. */
function holdBack(state: EnvironmentState, step: Step, canReport: boolean, now: number): Step {
  const until = heldUntil(state, step.kind, now);
  if (until === undefined) return step;
  if (canReport) return { kind: 'report' };
  return { kind: 'wait', until, why: `trying ${step.kind} again after ${state.retries[step.kind]?.code}` };
}

type Wait = Extract<Step, { kind: 'wait' }>;

function soonest(step: Wait, until: number | undefined): Wait {
  if (until === undefined) return step;
  return { ...step, until: Math.min(step.until ?? until, until) };
}

function decideServing(state: EnvironmentState, situation: Situation, canReport: boolean, now: number): Step {
  const { host, order } = state;
  const { commit } = situation.desired;
  const failed = hasFailed(state, commit);
  if (host?.power === 'gone') {
    return failed || host.heard ? { kind: 'terminate-host' } : replaceEnded(state, host);
  }
  if (!failed && state.settings?.sha !== commit) return { kind: 'read-settings' };
  // What serves, or would if it were switched on, is no matter of the commit that failed.
  if (host?.power !== 'on') {
    const held = holdBackLaunch(state, situation, canReport);
    if (held) return held;
    return host?.power === 'off' ? { kind: 'start-host' } : { kind: 'launch-host' };
  }
  if (failed && !isWaking(state)) {
    return canReport ? { kind: 'report' } : { kind: 'wait', why: 'failed; another push is another try' };
  }
  if (!situation.facts.open) return { kind: 'open-address' };
  if (!failed && (order?.sha !== commit || !isLastSent(state))) {
    // Pushes come faster than builds end: this one is let finish, whatever came since.
    const letFinish = isLastSent(state) && isUnfinished(order) && isStarving(state, now);
    return letFinish ? awaitHost(state, order, canReport, now) : { kind: 'write-spec' };
  }
  if (isWaking(state)) return awaitWaking(state, canReport, now);
  if (!order) return { kind: 'write-spec' };
  // Failed without a failure of this commit: another commit came in between and is gone again.
  if (order.finished === 'superseded' || order.finished === 'failed') return { kind: 'write-spec' };
  if (isUnfinished(order)) return awaitHost(state, order, canReport, now);
  return canReport ? { kind: 'report' } : { kind: 'wait', why: 'nothing to do' };
}

/** Also a launch that was begun and whose answer was lost: it is looked for, not repeated. */
function holdBackLaunch(
  { host }: EnvironmentState,
  { admission }: Situation,
  canReport: boolean,
): Step | undefined {
  if (admission.kind === 'admitted') return undefined;
  if (host?.power === 'unknown') {
    // On one that was begun for a commit that failed meanwhile there is nothing that anybody has used.
    return { kind: admission.why === 'launches-paused' ? 'stop-host' : 'terminate-host' };
  }
  if (canReport) return { kind: 'report' };
  const { recheckAt, why } = admission;
  return { kind: 'wait', why: `held: ${why}`, ...(recheckAt === undefined ? {} : { until: recheckAt }) };
}

function decideAsleep(state: EnvironmentState, { desired }: Situation, canReport: boolean): Step {
  const { host } = state;
  if (host?.power === 'gone') return { kind: 'terminate-host' };
  const failed = hasFailed(state, desired.commit);
  // Whoever is not to be deployed at all would be told to wait.
  if (!failed && state.settings?.sha !== desired.commit) return { kind: 'read-settings' };
  if (host && host.power !== 'off') return { kind: 'stop-host' };
  return canReport ? { kind: 'report' } : { kind: 'wait', why: `asleep: ${desired.reason}` };
}

/** A launch that EC2 accepts and takes back (a disk's key that may not be used) would go on for ever. */
function replaceEnded({ silentHosts }: EnvironmentState, { ended }: Host): Step {
  if (silentHosts + 1 < MAX_BOOT_ATTEMPTS) return { kind: 'replace-host' };
  const why = ended ? ` The cloud says: ${ended}` : '';
  return {
    kind: 'give-up',
    failure: {
      code: 'host_ended',
      sentence: `${MAX_BOOT_ATTEMPTS} machines were started and ended before they reported.${why} The account of this Eph needs its operator; another push tries again.`,
    },
  };
}

function awaitHost(state: EnvironmentState, order: SentSpec, canReport: boolean, now: number): Step {
  // Without a deployment spec a machine has nothing to report; a run that died may have left it without one for minutes.
  const bootDeadline = Math.max(state.host?.startedAt ?? 0, order.mailedAt) + BOOT_DEADLINE;
  if (!state.host?.heard && now >= bootDeadline) return giveUpBooting(state);
  const deployDeadline = order.mailedAt + DEPLOY_DEADLINE;
  if (now >= deployDeadline) {
    return {
      kind: 'give-up',
      failure: {
        code: 'deploy_timeout',
        sentence: `Pulling, building and starting took longer than ${DEPLOY_DEADLINE / 60_000} minutes. Make the images smaller, then push. A larger \`instance_type\` in \`eph.yaml\` helps in a new pull request; the machine of this one keeps its size.`,
      },
    };
  }
  if (order.needs && order.revision >= MAX_REVISIONS) {
    return {
      kind: 'give-up',
      failure: {
        code: 'source_asked_too_often',
        sentence: `The machine asked ${MAX_REVISIONS} times for the files of this commit and could not use them. Push again; if it stays so, the archive of the repository cannot be read.`,
      },
    };
  }
  if (order.needs) return { kind: 'write-spec' };
  if (!order.rung && heldUntil(state, 'notify-host', now) === undefined) return { kind: 'notify-host' };
  if (canReport) return { kind: 'report' };
  const until = state.host?.heard ? deployDeadline : Math.min(bootDeadline, deployDeadline);
  const wait = { kind: 'wait', until, why: 'the host is at work' } as const;
  return order.rung ? wait : soonest(wait, heldUntil(state, 'notify-host', now));
}

/** It starts what is on its disk, and is no younger than when it was switched on. */
function awaitWaking(state: EnvironmentState, canReport: boolean, now: number): Step {
  const deadline = (state.host?.startedAt ?? 0) + BOOT_DEADLINE;
  if (now >= deadline) return giveUpBooting(state);
  return canReport ? { kind: 'report' } : { kind: 'wait', until: deadline, why: 'the host is waking' };
}

/** A machine that never reported is replaced; the disk of one that did may hold people's data, and is kept. */
function giveUpBooting({ host, silentHosts }: EnvironmentState): Step {
  if (!host?.everHeard && silentHosts + 1 < MAX_BOOT_ATTEMPTS) return { kind: 'replace-host' };
  const minutes = BOOT_DEADLINE / 60_000;
  const sentence = host?.everHeard
    ? `The machine was switched on again and did not report within ${minutes} minutes. It is off now and its disk is kept; another push switches it on again.`
    : `${MAX_BOOT_ATTEMPTS} machines were started and none of them reported within ${minutes} minutes. The machine image or the network of this Eph needs its operator; another push tries again.`;
  return { kind: 'give-up', failure: { code: 'host_silent', sentence } };
}

function decideTeardown(
  state: EnvironmentState,
  situation: Situation,
  canReport: boolean,
  now: number,
): Step {
  const exposed = state.ingress !== undefined || state.withdrawing === true;
  const withdrawAt = exposed ? heldUntil(state, 'withdraw-address', now) : undefined;
  if (exposed && withdrawAt === undefined) return { kind: 'withdraw-address' };

  const step = state.host
    ? endHost(state, state.host, situation, canReport, now)
    : endRow(state, situation.desired, exposed, canReport);
  return step.kind === 'wait' ? soonest(step, withdrawAt) : step;
}

function endHost(
  state: EnvironmentState,
  host: Host,
  { desired, facts }: Situation,
  canReport: boolean,
  now: number,
): Step {
  if (host.power === 'gone' || needsNoConfirmation.includes(desired.reason))
    return { kind: 'terminate-host' };
  const terminateAt = (state.closedAt ?? now) + desired.keep;
  if (now >= terminateAt && facts.pull.kind === 'unasked') return { kind: 'ask-forge' };
  if (now >= terminateAt && mayTakeDisk(state, facts.pull)) return { kind: 'terminate-host' };
  if (host.power !== 'off') return { kind: 'stop-host' };
  if (canReport) return { kind: 'report' };
  return now < terminateAt
    ? { kind: 'wait', until: terminateAt, why: 'the disk waits for a reopening' }
    : {
        kind: 'wait',
        until: nextSighting(state, now),
        why: 'the forge does not say whether the disk may go',
      };
}

/** Whoever said so was asked already: the operator, or a writer whose word was verified. */
const needsNoConfirmation: readonly Desired['reason'][] = ['operator-closed', 'asked-destroy'];

/** What is closed is said so, what is away is proved so, in this run: the state alone may be an old opinion. */
function mayTakeDisk({ away }: EnvironmentState, fact: Facts['pull']): boolean {
  if (fact.kind === 'known') return true;
  return away !== undefined && (fact.kind === 'no-access' || fact.kind === 'no-pull');
}

/** A pull request that was not found is looked for again soon, since mostly it is only late, and then less often. */
function nextSighting({ goneSince }: EnvironmentState, now: number): number {
  const later = GONE_SIGHTINGS.find((after) => goneSince !== undefined && goneSince + after > now);
  return goneSince === undefined || later === undefined ? now + UNKNOWN_RETRY : goneSince + later;
}

function endRow(state: EnvironmentState, desired: Desired, exposed: boolean, canReport: boolean): Step {
  const forget = desired.level === 'absent' && !mayReturn(state, desired);
  if (!exposed && !isFinalized(state, forget)) return { kind: 'finalize', forget };
  if (canReport) return { kind: 'report' };
  return { kind: 'wait', why: exposed ? 'the address is still to be taken away' : 'nothing is left' };
}

/** A draft, a label, a word of somebody: it is open, and there is no telling when it is wanted. */
function mayReturn({ pull }: EnvironmentState, { reason }: Desired): boolean {
  return pull?.state === 'open' && !['operator-closed', 'archived', 'no-access', 'no-pull'].includes(reason);
}

/** Nothing is left in the row either that only a living environment has. */
function isFinalized(state: EnvironmentState, forget: boolean): boolean {
  const { order, serving, onDisk, failure, timings, services, warnings, retries, forgetAt } = state;
  const left = [order, serving, onDisk, failure, timings].some((one) => one !== undefined);
  // People are still told, whatever else is over.
  const tried = Object.keys(retries).some((step) => step !== 'report');
  const listed = services.length > 0 || warnings.length > 0;
  return !left && !tried && !listed && (forgetAt !== undefined) === forget;
}

/** Something served or failed long ago, pushes came since, and none of their builds has ended. */
function isStarving(state: EnvironmentState, now: number): boolean {
  return state.unfinishedSince !== undefined && now - state.unfinishedSince >= STARVATION;
}

/** The same state where it has none of them. */
export function omit<K extends keyof EnvironmentState>(
  state: EnvironmentState,
  ...keys: K[]
): EnvironmentState {
  let rest: Partial<EnvironmentState> = state;
  for (const key of keys) {
    if (!(key in rest)) continue;
    // Not `delete`: V8 makes an object slow that has lost a member, and every copy of it.
    const { [key]: _omitted, ...others } = rest;
    rest = others;
  }
  return rest as EnvironmentState;
}

export function assertNever(value: never): never {
  throw new Error(`unhandled case: ${JSON.stringify(value)}`);
}
