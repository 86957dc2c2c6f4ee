import {
  type EnvironmentState,
  type Failure,
  type Host,
  type OrderSent,
  type PullRequest,
  wantedHostnames,
} from './environment.ts';
import {
  AWAY_DISK_KEPT,
  BOOT_DEADLINE,
  DEPLOY_DEADLINE,
  GONE_CONFIRMATION,
  GONE_LOOKS,
  MAX_BOOT_ATTEMPTS,
  MAX_REVISIONS,
  PAUSED_LOOK,
  STARVATION,
  UNKNOWN_LOOK,
} from './limits.ts';
import type { Progress, Result } from './mailbox.ts';
import type { Pause } from './pause.ts';

/**
 * The state machine: what to do about what is true (`core/absorb.ts` puts that into the row). Pure and total.
 *
 *   pull request open     settings -> host -> tunnel -> DNS -> order -> report -> wait for the host's report
 *   pushed                settings -> order of the next generation -> ring -> report -> wait
 *   closed (or a draft)   URL away at once -> host off -> report -> after TERMINATE_AFTER: host gone -> report
 *   reopened before that  host on -> new tunnel -> new generation
 *   paused: launches      who has no running host is queued; who has one goes on as ever
 *   paused: everything    host off, URL stays -> report; resumed: host on -> new generation
 *   paused: closed        as closed, with nothing kept for a reopening and without a question to the forge
 *
 * Gotchas
 * - The order of the lines in `decide` is the order of importance: closing wins over everything; what costs
 *   the most time (the machine's boot) is begun first; people are told when there is something to click.
 * - A retry holds back its own kind of step only: closing never waits for a launch to be possible again, a
 *   machine is not kept running because its address cannot be taken away yet.
 * - A failure belongs to a commit. Until another commit comes, nothing is tried again, and what served
 *   before goes on serving. Taking down forgets it: who reopens wants another try.
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
  /** What Cloudflare has of this environment; asked only when the comparison found a difference. */
  edge?: { tunnelIds: readonly string[]; recordIds: readonly string[] } | undefined;
}

export interface Policy {
  /** Milliseconds between closing and terminating; the disk waits for a reopening. */
  terminateAfter: number;
  /** The repository is on the operator's list; otherwise it must have an `eph.yaml`. */
  listed: boolean;
  /** The operator's list takes it out, and then an `eph.yaml` does not help. */
  excluded?: boolean;
}

export type Step =
  | { kind: 'wait'; until?: number; why: string }
  | { kind: 'ask-forge' }
  | { kind: 'read-settings' }
  | { kind: 'launch-host' }
  | { kind: 'start-host' }
  | { kind: 'replace-host' }
  | { kind: 'ensure-tunnel' }
  | { kind: 'ensure-records' }
  | { kind: 'mail-order' }
  | { kind: 'ring-host' }
  | { kind: 'give-up'; failure: Pick<Failure, 'code' | 'sentence'> }
  | { kind: 'withdraw-url' }
  | { kind: 'stop-host' }
  | { kind: 'terminate-host' }
  | { kind: 'settle'; phase: 'declined' | 'destroyed' }
  | { kind: 'report' };

export function isWanted(state: EnvironmentState): boolean {
  if (state.paused === 'closed' || state.away) return false;
  return state.pull?.state === 'open' && !state.pull.archived && state.decline === undefined;
}

/** Held back by the operator, with no machine that runs. */
export function isHeldBack(state: EnvironmentState): boolean {
  const running = state.host?.instanceId !== undefined && state.host.power === 'on';
  return state.paused !== undefined && isWanted(state) && !running;
}

/** Is a build under way that has not told its end? */
export function isUnfinished(order: OrderSent | undefined): order is OrderSent {
  return order !== undefined && order.finished === undefined;
}

/** One step, or until when to wait. `reportDue` is whether what people see differs from what is so. */
export function decide(
  state: EnvironmentState,
  facts: Facts,
  policy: Policy,
  reportDue: boolean,
  now: number,
): Step {
  if (!state.pull && state.paused === 'closed') {
    return state.phase === 'destroyed'
      ? { kind: 'wait', why: 'nothing is left' }
      : { kind: 'settle', phase: 'destroyed' };
  }
  const confirmGoneAt = (state.goneSince ?? 0) + GONE_CONFIRMATION;
  if (state.goneSince !== undefined && now < confirmGoneAt && (isWanted(state) || !state.pull)) {
    return { kind: 'wait', until: nextSighting(state, now), why: 'the forge does not know it; ask again' };
  }
  if (!state.pull && state.phase === 'destroyed') return { kind: 'wait', why: 'it never was' };
  if (!state.pull) {
    return facts.pull.kind === 'unasked' ? { kind: 'ask-forge' } : { kind: 'settle', phase: 'destroyed' };
  }
  const tell = reportDue && heldUntil(state, 'report', now) === undefined;
  const wanted = isWanted(state)
    ? decideDeploy(state, tell, now)
    : decideTeardown(state, facts, policy, tell, now);
  const step = holdBack(state, wanted, tell, now);
  if (step.kind !== 'wait') return step;
  // What could not be told, or found out, is tried again in time, whatever else there is to wait for.
  const again = facts.pull.kind === 'unknown' ? now + UNKNOWN_LOOK : undefined;
  return soonest(soonest(step, again), reportDue ? heldUntil(state, 'report', now) : undefined);
}

function heldUntil(state: EnvironmentState, step: Step['kind'], now: number): number | undefined {
  const notBefore = state.retries[step]?.notBefore;
  return notBefore !== undefined && now < notBefore ? notBefore : undefined;
}

/** A step that failed a moment ago waits; meanwhile people are told how things are. */
function holdBack(state: EnvironmentState, step: Step, tell: boolean, now: number): Step {
  const until = heldUntil(state, step.kind, now);
  if (until === undefined) return step;
  if (tell) return { kind: 'report' };
  return { kind: 'wait', until, why: `trying ${step.kind} again after ${state.retries[step.kind]?.code}` };
}

type Wait = Extract<Step, { kind: 'wait' }>;

function soonest(step: Wait, until: number | undefined): Wait {
  if (until === undefined) return step;
  return { ...step, until: Math.min(step.until ?? until, until) };
}

function decideDeploy(state: EnvironmentState, tell: boolean, now: number): Step {
  const { pull, host, order } = state;
  if (!pull) return { kind: 'ask-forge' };
  const failed = state.failure?.sha === pull.sha;
  if (host?.power === 'gone') {
    return failed || host.heard ? { kind: 'terminate-host' } : replaceEnded(state, host);
  }
  if (!failed && state.settings?.sha !== pull.sha) return { kind: 'read-settings' };
  if (mustBeSwitchedOff(state)) return { kind: 'stop-host' };
  if (failed) {
    return tell ? { kind: 'report' } : { kind: 'wait', why: 'failed; another push is another try' };
  }
  if (isHeldBack(state)) {
    return tell
      ? { kind: 'report' }
      : { kind: 'wait', until: now + PAUSED_LOOK, why: `paused: ${state.paused}` };
  }
  if (!host?.instanceId) return { kind: 'launch-host' };
  if (host.power === 'off') return { kind: 'start-host' };
  if (!state.tunnel?.configured) return { kind: 'ensure-tunnel' };
  if (missingRecords(state)) return { kind: 'ensure-records' };

  if (order?.sha !== pull.sha) {
    // Pushes come faster than builds end: this one is let finish, whatever came since.
    const letFinish = isUnfinished(order) && isStarving(state, now);
    return letFinish ? awaitHost(state, order, tell, now) : { kind: 'mail-order' };
  }
  // Failed without a failure of this commit: another commit came in between and is gone again.
  if (order.finished === 'superseded' || order.finished === 'failed') return { kind: 'mail-order' };
  if (isUnfinished(order)) return awaitHost(state, order, tell, now);
  return tell ? { kind: 'report' } : { kind: 'wait', why: 'nothing to do' };
}

/** A launch that EC2 accepts and takes back (a disk's key that may not be used) would go on for ever. */
function replaceEnded({ silentHosts }: EnvironmentState, { ended }: Host): Step {
  if (silentHosts + 1 < MAX_BOOT_ATTEMPTS) return { kind: 'replace-host' };
  const why = ended ? ` EC2 says: ${ended}` : '';
  return {
    kind: 'give-up',
    failure: {
      code: 'host_ended',
      sentence: `${MAX_BOOT_ATTEMPTS} machines were started and ended before they reported.${why} The account of this Eph needs its operator; another push tries again.`,
    },
  };
}

/** Also a launch that was begun and whose answer was lost: it is looked for, not repeated. */
function mustBeSwitchedOff({ paused, host }: EnvironmentState): boolean {
  if (!paused || host?.power !== 'on') return false;
  return paused === 'everything' || !host.instanceId;
}

function awaitHost(state: EnvironmentState, order: OrderSent, tell: boolean, now: number): Step {
  // Without an order a machine has nothing to report; a run that died may have left it without one for minutes.
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
  if (order.needs) return { kind: 'mail-order' };
  if (!order.rung && heldUntil(state, 'ring-host', now) === undefined) return { kind: 'ring-host' };
  if (tell) return { kind: 'report' };
  const until = state.host?.heard ? deployDeadline : Math.min(bootDeadline, deployDeadline);
  const wait = { kind: 'wait', until, why: 'the host is at work' } as const;
  return order.rung ? wait : soonest(wait, heldUntil(state, 'ring-host', now));
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
  facts: Facts,
  policy: Policy,
  tell: boolean,
  now: number,
): Step {
  const exposed = state.tunnel !== undefined || state.records.length > 0;
  const withdrawAt = exposed ? heldUntil(state, 'withdraw-url', now) : undefined;
  if (exposed && withdrawAt === undefined) return { kind: 'withdraw-url' };

  const step = state.host
    ? endHost(state, state.host, facts, policy, tell, now)
    : endRow(state, exposed, tell);
  return step.kind === 'wait' ? soonest(step, withdrawAt) : step;
}

function endHost(
  state: EnvironmentState,
  host: Host,
  facts: Facts,
  policy: Policy,
  tell: boolean,
  now: number,
): Step {
  if (host.power === 'gone') return { kind: 'terminate-host' };
  if (state.paused === 'closed') return { kind: 'terminate-host' };
  const terminateAt = Math.max(
    (state.closedAt ?? now) + policy.terminateAfter,
    state.away ? state.away.since + AWAY_DISK_KEPT : 0,
  );
  if (now >= terminateAt && facts.pull.kind === 'unasked') return { kind: 'ask-forge' };
  if (now >= terminateAt && mayTakeDisk(state, facts.pull)) return { kind: 'terminate-host' };
  if (host.power === 'on') return { kind: 'stop-host' };
  if (tell) return { kind: 'report' };
  return now < terminateAt
    ? { kind: 'wait', until: terminateAt, why: 'the disk waits for a reopening' }
    : {
        kind: 'wait',
        until: nextSighting(state, now),
        why: 'the forge does not say whether the disk may go',
      };
}

/** What is closed is said so, what is away is proved so, in this run: the state alone may be an old opinion. */
function mayTakeDisk({ away }: EnvironmentState, fact: Facts['pull']): boolean {
  if (fact.kind === 'known') return true;
  return away !== undefined && (fact.kind === 'no-access' || fact.kind === 'no-pull');
}

/** A pull request that was not found is looked for again soon, since mostly it is only late, and then less often. */
function nextSighting({ goneSince }: EnvironmentState, now: number): number {
  const later = GONE_LOOKS.find((after) => goneSince !== undefined && goneSince + after > now);
  return goneSince === undefined || later === undefined ? now + UNKNOWN_LOOK : goneSince + later;
}

function endRow(state: EnvironmentState, exposed: boolean, tell: boolean): Step {
  const declined = state.decline && state.pull?.state === 'open' && state.paused !== 'closed';
  const phase = declined ? 'declined' : 'destroyed';
  if (state.phase !== phase && !exposed) return { kind: 'settle', phase };
  if (tell) return { kind: 'report' };
  return { kind: 'wait', why: exposed ? 'the address is still to be taken away' : 'nothing is left' };
}

/** Something served or failed long ago, pushes came since, and none of their builds has ended. */
function isStarving(state: EnvironmentState, now: number): boolean {
  return state.unfinishedSince !== undefined && now - state.unfinishedSince >= STARVATION;
}

function missingRecords(state: EnvironmentState): boolean {
  const present = new Set(state.records.filter(({ id }) => id).map(({ hostname }) => hostname));
  return wantedHostnames(state).some((hostname) => !present.has(hostname));
}

export function omit<K extends keyof EnvironmentState>(
  state: EnvironmentState,
  ...keys: K[]
): EnvironmentState {
  const copy: Partial<EnvironmentState> = { ...state };
  for (const key of keys) delete copy[key];
  return copy as EnvironmentState;
}

export function assertNever(value: never): never {
  throw new Error(`unhandled case: ${JSON.stringify(value)}`);
}
