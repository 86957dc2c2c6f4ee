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
 * The state machine: it compares what is desired (`desired.ts`) with what exists (`absorb.ts` puts that into the row)
 * and returns one step at a time. Pure and total.
 *
 *   pull request open     settings -> host -> address -> spec -> report -> wait for the host's report
 *   pushed                settings -> spec of the next generation -> notify -> report -> wait
 *   closed (or a draft)   withdraw address at once -> host off -> report -> after TERMINATE_AFTER: host gone -> report
 *   reopened before that  host on -> new address -> new generation
 *   asleep                host off, address stays -> report; awake again: host on -> wait until it answers
 *   held (`admit.ts`)     without a running host: wait; with one: continue as usual
 *   operator closes       as closed, but nothing is kept for a reopening, and the forge is not asked
 *
 * Gotchas
 * - The order of the lines in `decide` is the order of importance: closing wins over everything; what takes the most
 *   time (the machine's boot) begins first; people get a report when there is a link that works.
 * - A retry delays only steps of its own kind: closing never waits until a launch is possible again, and a machine is
 *   not kept running because its address cannot be withdrawn yet.
 * - A failure belongs to a commit. Until another commit comes, nothing is tried again, and what served before
 *   continues to serve, also after a sleep. Closing deletes the failure: a person who reopens wants another try.
 * - Waking deploys nothing: the host starts what is on its disk and reports when it serves. Waking does not ask the
 *   forge either, so an outage of the forge does not prevent it.
 * - A 404 is no evidence. Only a proof (`no-access`), or two sightings of a repository without this pull request
 *   (`goneSince`), withdraw the address, and the disk is kept a day longer (`away`). A machine that the provider
 *   does not know right after its launch is not gone: its answers lag behind.
 * - A disk is deleted only in three cases: in this very run the forge answers that the pull request is closed (or not
 *   deployed), or proves again what it proved a day ago; or the operator takes Eph down. `unknown` changes nothing.
 */
export interface Facts {
  /** Undefined: not asked, so the row's value still holds. */
  pause?: Pause | undefined;
  pull:
    | { kind: 'known'; pull: PullRequest; access: string }
    /** The repository exists and has no such pull request. */
    | { kind: 'no-pull' }
    /** Proved: Eph may not see the repository. */
    | { kind: 'no-access' }
    /** Refused, and the reason is not known. */
    | { kind: 'unknown' }
    | { kind: 'unasked' };
  instance:
    | { kind: 'found'; power: 'on' | 'off' | 'gone'; reason?: string | undefined }
    | { kind: 'absent' }
    | { kind: 'unasked' };
  progress?: Progress | undefined;
  result?: Result | undefined;
  /** What exists of the address, and whether hosts are still attached; set if a garbage collection missed something. */
  address?: { handle: Handle | undefined; attached: boolean } | undefined;
  /** Every desired hostname leads to the environment, according to the ingress's handle in the row. */
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
  /** `forget`: the row becomes a tombstone. */
  | { kind: 'finalize'; forget: boolean }
  | { kind: 'report' };

/** Does something exist, or will it exist, that people can open? Decided by the last reconcile. */
export function isWanted({ wanted }: EnvironmentState): boolean {
  return wanted?.level === 'serving' || wanted?.level === 'asleep';
}

/** The host was switched on again with the version on its disk, and has not reported since. */
export function isWaking(state: EnvironmentState): boolean {
  return state.host?.power === 'on' && !state.host.heard && canRevive(state);
}

/** The build was given up because it took too long. The host may still finish it, and that version then serves. */
export function isLate({ order, failure }: EnvironmentState): boolean {
  return order?.finished === 'failed' && failure?.code === 'deploy_timeout' && failure.sha === order.sha;
}

/** Is a build under way whose result was not reported yet? */
export function isUnfinished(order: SentSpec | undefined): order is SentSpec {
  return order !== undefined && order.finished === undefined;
}

/** What `decide` reads besides the row. */
export interface Situation {
  desired: Desired;
  admission: Admission;
  facts: Facts;
  /** What people see differs from the current state. */
  reportDue: boolean;
}

/** Returns one step, or the time until which to wait. */
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
  // A report that failed, or a forge that did not answer, is retried in time, whatever else the row waits for.
  const again = facts.pull.kind === 'unknown' ? now + UNKNOWN_RETRY : undefined;
  const soonestWait = soonest(soonest(step, again), reportDue ? heldUntil(state, 'report', now) : undefined);
  return soonest(soonestWait, desired.recheckAt);
}

/** For a pull request that no forge has confirmed, nothing exists. */
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

/** A step that failed a moment ago waits; meanwhile people get a report of the current state. */
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
  // The failed commit does not affect what serves, or would serve if the host were switched on.
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
    // Pushes come faster than builds end: this build may finish, whatever was pushed since.
    const letFinish = isLastSent(state) && isUnfinished(order) && isStarving(state, now);
    return letFinish ? awaitHost(state, order, canReport, now) : { kind: 'write-spec' };
  }
  if (isWaking(state)) return awaitWaking(state, canReport, now);
  if (!order) return { kind: 'write-spec' };
  // The spec has failed but this commit has no failure: another commit came in between and is gone again.
  if (order.finished === 'superseded' || order.finished === 'failed') return { kind: 'write-spec' };
  if (isUnfinished(order)) return awaitHost(state, order, canReport, now);
  return canReport ? { kind: 'report' } : { kind: 'wait', why: 'nothing to do' };
}

/** Holds back every launch; one that was begun and whose answer was lost is searched for, not repeated. */
function holdBackLaunch(
  { host }: EnvironmentState,
  { admission }: Situation,
  canReport: boolean,
): Step | undefined {
  if (admission.kind === 'admitted') return undefined;
  if (host?.power === 'unknown') {
    // A machine that was launched for a commit that has failed meanwhile was never used, so it holds no data.
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
  // Without the settings, a pull request that is not to be deployed at all would be reported as waiting.
  if (!failed && state.settings?.sha !== desired.commit) return { kind: 'read-settings' };
  if (host && host.power !== 'off') return { kind: 'stop-host' };
  return canReport ? { kind: 'report' } : { kind: 'wait', why: `asleep: ${desired.reason}` };
}

/** Limits the tries: a provider may accept each launch and then end it (a disk's key that may not be used). */
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
  // A machine without a deployment spec has nothing to report; a run that died may have left it so for minutes.
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

/** The host starts what is on its disk; its deadline counts from the time when it was switched on. */
function awaitWaking(state: EnvironmentState, canReport: boolean, now: number): Step {
  const deadline = (state.host?.startedAt ?? 0) + BOOT_DEADLINE;
  if (now >= deadline) return giveUpBooting(state);
  return canReport ? { kind: 'report' } : { kind: 'wait', until: deadline, why: 'the host is waking' };
}

/** A machine that never reported is replaced. If one did report, its disk may hold people's data, so it is kept. */
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

/** These reasons were confirmed already: by the operator, or by a person whose write access was verified. */
const needsNoConfirmation: readonly Desired['reason'][] = ['operator-closed', 'asked-destroy'];

/** True if in this very run the forge confirmed that it is closed or away: the state alone may be out of date. */
function mayTakeDisk({ away }: EnvironmentState, fact: Facts['pull']): boolean {
  if (fact.kind === 'known') return true;
  return away !== undefined && (fact.kind === 'no-access' || fact.kind === 'no-pull');
}

/** A pull request that was not found is asked for again soon, since the forge is mostly only late, then less often. */
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

/** The pull request is open, and a draft, a label or a request may change: it may be wanted at any time. */
function mayReturn({ pull }: EnvironmentState, { reason }: Desired): boolean {
  return pull?.state === 'open' && !['operator-closed', 'archived', 'no-access', 'no-pull'].includes(reason);
}

/** The row, too, holds nothing more that only a living environment has. */
function isFinalized(state: EnvironmentState, forget: boolean): boolean {
  const { order, serving, onDisk, failure, timings, services, warnings, retries, forgetAt } = state;
  const left = [order, serving, onDisk, failure, timings].some((one) => one !== undefined);
  // Reports to people continue, whatever else is over.
  const tried = Object.keys(retries).some((step) => step !== 'report');
  const listed = services.length > 0 || warnings.length > 0;
  return !left && !tried && !listed && (forgetAt !== undefined) === forget;
}

/** The last build finished long ago, pushes came since, and none of their builds has finished. */
function isStarving(state: EnvironmentState, now: number): boolean {
  return state.unfinishedSince !== undefined && now - state.unfinishedSince >= STARVATION;
}

/** Returns the state without these members, or the same object where it has none of them. */
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
