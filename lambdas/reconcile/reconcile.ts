import { assess } from '#core/assess';
import type { Policy } from '#core/desired';
import type { EnvironmentState, Retry, Row } from '#core/environment';
import { asEphError, conflict } from '#core/failure';
import { decide, type Step } from '#core/lifecycle';
import {
  HANDLER_BUDGET,
  LEASE,
  MAX_DELAYED_WAKE,
  MAX_STEPS,
  NEWER_RECHECK,
  PAUSE_MAX_AGE,
  RELEASE_TRIES,
} from '#core/limits';
import { countTimers, maySendTimer } from '#core/own-timers';
import { listingOf } from '../listing.ts';
import type { Event } from '../ports.ts';
import { forgeOf } from '../providers/forge.ts';
import { askOperatorAlone, type ObserveOptions, observe } from './observe.ts';
import { performStep } from './perform-step.ts';
import { recheck } from './recheck.ts';
import { clearRetry, rememberFailure } from './remember-failure.ts';
import {
  addressesOf,
  type Cause,
  type Dependencies,
  forgetReported,
  isOpen,
  isReportDue,
  nextWrite,
  type Run,
  refOf,
  saveIntent,
  withCallsPaid,
} from './run.ts';
import { type ClaimMessage, takeLease } from './take-lease.ts';

/**
 * Brings one environment closer to what the forge reports of its pull request.
 *
 *   lease -> observe -> absorb -> decide -> one step -> ... -> release with the time of the next reconcile
 *
 * Gotchas
 * - The lease lives longer than the handler. A run that finds it held sends one wake for the time when it ends, and
 *   stops; the row is due then anyway, so that message only makes it faster, not safer.
 * - Release is conditional on `wakes`: a message that arrived during the work makes the loop observe again. So a push
 *   or a close in the middle of a deploy is acted on within seconds, by the run that already holds the lease.
 * - The row is written where a crash must find it: before an effect that could not be found again (`saveIntent`
 *   in the steps), and at the release. A repeated step finds everything else by itself; saving after each step too
 *   would be most of what an environment costs in calls (`tests/lambdas/crash.walk.test.ts` is the proof).
 * - A step's error never leaves the row in doubt: the next step starts from what was saved before the effect. The retry
 *   is kept in the row, not in the queue (a queue's retries would use up its receive count).
 * - What a message reports in addition to "reconcile again" (`core/hints.ts`) is in the row until a run has asked
 *   everybody: a run that dies, or gets no answer, leaves it to the next one.
 * - Losing the lease (a conflict) means that another run continues: write nothing more, not even an event.
 */
export async function reconcile(message: ClaimMessage, cause: Cause, deps: Dependencies): Promise<void> {
  const forge = forgeOf(deps.ports.forges, message.key);
  if (!forge) return leaveToOthers(message.key, cause, deps);
  const startedAt = deps.ports.now();
  const lease = { id: deps.ports.newId(), until: startedAt + LEASE };
  const leased = await takeLease(message, lease, deps.ports);
  if (leased.kind === 'nobody') return;
  if (leased.kind === 'held') return wakeLater(message.key, 'lease', leased.until, deps);

  const { row } = leased;
  const account = { paidUntil: row.state.callsPaidUntil ?? 0 };
  row.state = countTimers(row.state, cause.ownTimer === true);
  // A run that died may have reported something that the row does not have.
  if (row.takenFrom) row.state = forgetReported(forge, row.state);
  const run: Run = {
    key: message.key,
    leaseId: lease.id,
    writes: 0,
    cause,
    row,
    hints: new Set(row.hints),
    saved: row.state,
    deps,
    forge: forge.within(account),
    account,
    asked: false,
    rechecked: false,
    answered: false,
    pauseMaxAge: PAUSE_MAX_AGE,
    events: [],
  };
  if (isOfNewerVersion(run)) await leaveAlone(run);
  else await work(run, startedAt, row.dueAt !== undefined && startedAt >= row.dueAt);
  await deps.ports.records.putEvents(message.key, cause.delivery, run.events);
}

/** This happens after a roll-back, too: a newer version may know more keys and more forges. */
function leaveToOthers(key: string, { delivery }: Cause, { ports }: Dependencies): void {
  const message = 'the key of this environment is of no forge that is known here: it is left alone';
  ports.log({ level: 'error', message, environment: key, delivery });
}

/** This happens after a roll-back: the next step of one provider may depend on what another one cannot read. */
function isOfNewerVersion({ row, deps }: Run): boolean {
  const { compute, ingress } = deps.ports;
  const { host, ingress: address } = row.state;
  const isUnknown = host !== undefined && compute.upgrade(host.handle) === 'unknown';
  return isUnknown || (address !== undefined && ingress.upgrade(address) === 'unknown');
}

async function leaveAlone(run: Run): Promise<void> {
  const { ports } = run.deps;
  const message = 'a newer version knows more of this row: it is left alone until that is back';
  ports.log({ level: 'error', message, environment: run.key, delivery: run.cause.delivery });
  await releaseAnyway(run, { kind: 'wait', until: ports.now() + NEWER_RECHECK, why: 'of a newer version' });
}

async function work(run: Run, startedAt: number, due: boolean): Promise<void> {
  const { ports } = run.deps;
  // A report decides nothing that cannot be undone. Any other run begins with the forge's own answer, and so does a
  // run after one that got no answer.
  const wasAnswered = run.row.state.retries['observe'] === undefined;
  const hint = due || run.hints.size > 0 || !wasAnswered ? undefined : run.cause.report;
  let mustAsk = hint === undefined;
  let options = optionsFor(run, { due, hint });

  for (let count = 0; count < MAX_STEPS; count += 1) {
    const step = await nextStep(run, { ask: mustAsk, ...options });
    options = { instance: false };
    if (step.kind === 'ask-forge') {
      mustAsk = true;
      continue;
    }
    if (step.kind === 'wait' || ports.now() - startedAt > HANDLER_BUDGET) {
      if (await releaseRow(run, step, ports.now())) return;
      // A message arrived during the work: read its part of the row, keep our state, and ask everybody again.
      await hearAgain(run);
      options = optionsFor(run, { due: false });
      mustAsk = true;
      continue;
    }
    await takeStep(run, step);
  }
  run.deps.ports.log({ level: 'error', message: 'a run of too many steps was cut', environment: run.key });
  const cut: Step = { kind: 'wait', until: ports.now() + LEASE, why: 'cut after too many steps' };
  await releaseAnyway(run, cut);
}

/** Also applies the hints of messages. */
function optionsFor(
  run: Run,
  { due, hint }: { due: boolean; hint?: ObserveOptions['hint'] },
): Omit<ObserveOptions, 'ask'> {
  const { hints, row } = run;
  if (hints.has('fresh')) run.pauseMaxAge = 0;
  if (hints.has('retell')) run.row = { ...row, state: forgetReported(run.forge, row.state) };
  const suspect = hints.has('suspect');
  // A run that died may have removed the address already, although the row still has it.
  const address = suspect ? 'must' : row.takenFrom ? 'may' : undefined;
  return { instance: due || suspect || hints.has('machine'), address, hint };
}

async function hearAgain(run: Run): Promise<void> {
  const { takenFrom: _looked, ...row } = await reread(run);
  run.row = { ...row, state: countTimers(run.row.state, false) };
  run.hints = new Set(row.hints);
  run.asked = false;
  run.rechecked = false;
  run.pauseMaxAge = 0;
}

/** Messages that arrive faster than the row can be released must not prevent saving what was done. */
async function releaseAnyway(run: Run, cut: Step): Promise<void> {
  for (let attempt = 1; attempt <= RELEASE_TRIES; attempt += 1) {
    run.row = { ...(await reread(run)), state: run.row.state };
    // No run has acted on the hints of the row that was just read.
    run.answered = false;
    if (await releaseRow(run, cut, run.deps.ports.now())) return;
  }
  await saveIntent(run, run.row.state);
}

async function nextStep(run: Run, options: ObserveOptions): Promise<Step> {
  const { ports } = run.deps;
  const { observe: refused } = run.row.state.retries;
  const isLeftAlone = refused?.insisted === true && ports.now() < refused.notBefore;
  const begunAt = ports.now();
  try {
    const facts = isLeftAlone ? await askOperatorAlone(run) : await observe(run, options);
    if (!facts) return stayAway(refused);
    // The operator's answer alone is not enough to act on the hints of messages.
    run.answered = !isLeftAlone;
    const policy = policyOf(run);
    const before = isLeftAlone ? run.row.state : clearRetry(run.row.state, 'observe');
    const assessed = assess({ ...run.row, state: before }, facts, policy, ports.now());
    const { desired, admission } = assessed;
    const couldHear = isReachable(before) || !isReachable(assessed.state);
    const heard = couldHear ? assessed.state : forgetReported(run.forge, assessed.state);
    const state = await recheck(run, heard);
    await recordBuildEnd(run, before, state);
    run.row = { ...run.row, state };
    const open = isOpen(run, state, addressesOf(run));
    const reportDue = isReportDue(run, state);
    const step = decide(state, { desired, admission, facts: { ...facts, open }, reportDue }, ports.now());
    // A forge that asked not to be called is not called before that time.
    return isLeftAlone && step.kind === 'ask-forge' ? stayAway(refused) : step;
  } catch (error) {
    run.answered = false;
    noteFailure(run, 'observe', error, begunAt);
    const until = run.row.state.retries['observe']?.notBefore ?? ports.now();
    return { kind: 'wait', until, why: 'somebody did not answer' };
  }
}

/** Nothing can be reported while a pull request is away or archived, although the forge counts it as made. */
function isReachable({ away, pull }: EnvironmentState): boolean {
  return away === undefined && pull?.archived !== true;
}

function stayAway(refused: Retry | undefined): Step {
  const until = refused === undefined ? {} : { until: refused.notBefore };
  return { kind: 'wait', why: `asked to stay away: ${refused?.code}`, ...until };
}

/** This comes before the row forgets that the build was unfinished: after a crash, the same end is recorded again. */
async function recordBuildEnd(run: Run, before: EnvironmentState, after: EnvironmentState): Promise<void> {
  const { order } = after;
  if (!order?.finished || before.order?.finished || before.order?.generation !== order.generation) return;
  const { ports } = run.deps;
  await ports.records.endBuild(run.key, order.generation, {
    state: order.finished,
    finishedAt: ports.now(),
    ...(after.timings ? { timings: after.timings } : {}),
    ...(after.failure && order.finished === 'failed'
      ? { failure: { code: after.failure.code, sentence: after.failure.sentence } }
      : {}),
  });
}

async function takeStep(run: Run, step: Exclude<Step, { kind: 'wait' | 'ask-forge' }>): Promise<void> {
  const { ports } = run.deps;
  const begunAt = ports.now();
  try {
    const { state, outcome } = await performStep(run, step);
    run.row = { ...run.row, state: clearRetry(state, step.kind) };
    record(run, step.kind, outcome, begunAt);
  } catch (error) {
    noteFailure(run, step.kind, error, begunAt);
  }
}

function noteFailure(run: Run, step: Step['kind'] | 'observe', error: unknown, begunAt: number): void {
  const { ports } = run.deps;
  const failure = asEphError(error);
  if (failure.kind === 'conflict') throw failure;
  run.row = { ...run.row, state: rememberFailure(run.row.state, step, failure, ports.now()) };
  const outcome = `${failure.kind}: ${failure.code}`;
  record(run, step, outcome, begunAt);
  ports.log({
    level: 'warn',
    message: failure.sentence,
    environment: run.key,
    delivery: run.cause.delivery,
    step,
    outcome,
    cause: failure.cause instanceof Error ? `${failure.cause.name}: ${failure.cause.message}` : undefined,
  });
}

/** Returns whether the run is over: it is not if a message arrived since the row was read. */
async function releaseRow(run: Run, step: Step, now: number): Promise<boolean> {
  const until = step.kind === 'wait' ? step.until : now;
  const released = await run.deps.ports.environments.release(run.key, nextWrite(run), {
    wakes: run.row.wakes,
    state: withCallsPaid(run, run.row.state),
    nextLookAt: until,
    acted: run.answered,
  });
  if (!released) return false;
  run.events.push({
    at: now,
    cause: run.cause.cause,
    step: 'wait',
    outcome: step.kind === 'wait' ? step.why : 'out of time, going on at once',
    millis: 0,
  });
  if (until !== undefined && until - now <= MAX_DELAYED_WAKE && maySendTimer(run.row.state)) {
    await wakeLater(run.key, 'due', until, run.deps);
  }
  return true;
}

async function wakeLater(key: string, cause: string, until: number, deps: Dependencies): Promise<void> {
  const delay = Math.max(0, until - deps.ports.now());
  await deps.ports.jobs.send(
    { v: 1, kind: 'wake', delivery: deps.ports.newId(), environment: key, cause, timer: true },
    Math.min(delay, MAX_DELAYED_WAKE),
  );
}

async function reread(run: Run): Promise<Row> {
  const row = await run.deps.ports.environments.read(run.key);
  if (!row || row.lease?.id !== run.leaseId) throw conflict('lease_lost', 'The lease passed to another run.');
  return row;
}

function record(run: Run, step: string, outcome: string, begunAt: number): void {
  const now = run.deps.ports.now();
  const event: Event = { at: begunAt, cause: run.cause.cause, step, outcome, millis: now - begunAt };
  run.events.push(event);
  run.deps.ports.log({
    level: 'info',
    message: 'step',
    environment: run.key,
    delivery: run.cause.delivery,
    step,
    outcome,
    millis: event.millis,
    phase: run.row.state.phase,
  });
}

function policyOf(run: Run): Policy {
  const { config } = run.deps;
  const { owner, name } = refOf(run.row);
  const listing = listingOf(config.REPOSITORIES, owner, name, run.row.forge);
  return {
    terminateAfter: config.TERMINATE_AFTER_SECONDS * 1_000,
    listed: listing === 'listed',
    excluded: listing === 'excluded',
  };
}
