import type { Row } from '#core/environment';
import { assertNever, type Facts, isLate, isUnfinished, isWaking, omit } from '#core/lifecycle';
import { LOSS_FREEZE, LOSSES_TOGETHER } from '#core/limits';
import type { Observed } from '../providers/compute.ts';
import type { Handle } from '../providers/handle.ts';
import { confirmedRef, messageRef, type Run } from './run.ts';

export interface ObserveOptions {
  /** Ask the forge for the current state of the pull request (once per message). */
  ask: boolean;
  /** Ask the vendor whether the machine is as the row has it (only when a reconcile was due: it costs a call). */
  instance: boolean;
  /** Ask the ingress too. `must`: something is missing. `may`: something may be missing; an error is ignored. */
  address?: 'must' | 'may' | undefined;
  /** The report that is known to be new; without it, both reports are read while a build is under way. */
  hint?: 'progress' | 'result' | undefined;
}

/** Collects, in parallel, the facts that `decide` may need. It only reads. */
export async function observe(run: Run, options: ObserveOptions): Promise<Facts> {
  const { ports } = run.deps;
  const { host, order } = run.row.state;
  const handle = host?.power === 'unknown' ? undefined : host?.handle;
  const asking = options.ask && !run.asked;
  const { operator } = ports;
  const early = asking && asksOperatorFirst(run) ? await operator.pause(run.pauseMaxAge) : undefined;
  const askForge = asking && early !== 'closed';
  if (asking && !askForge) run.asked = true;
  const isAwaited = isUnfinished(order) || isWaking(run.row.state) || isLate(run.row.state);
  const readReports = isAwaited && (askForge || options.hint !== undefined);

  const [answer, seen, reports, address] = await Promise.all([
    askForge ? askForPull(run) : undefined,
    options.instance && handle ? ports.compute.observe(handle, { power: true, reports: [] }) : undefined,
    readReports && handle ? readReportsOf(run, handle, options.hint) : undefined,
    options.address === 'may'
      ? checkAddress(run).catch(() => undefined)
      : options.address && checkAddress(run),
  ]);
  if (answer) {
    run.asked = true;
    run.lastPull = answer;
  }
  const pull = run.lastPull ?? { kind: 'unasked' };
  // A closed pull request is removed, whatever the operator's pause is.
  const open = answer?.kind === 'known' && answer.pull.state === 'open';
  const pause = early ?? (open ? await operator.pause(run.pauseMaxAge) : undefined);
  const instance = instanceFact(seen);
  // Closing needs no report: it does not wait for the mailbox and does not take in what a host reports about it.
  if (isClosing(pull)) return { pause, pull, instance, address };
  if (reports?.failure) throw reports.failure;
  return { pause, pull, instance, progress: reports?.progress, result: reports?.result, address };
}

function isClosing(pull: Facts['pull']): boolean {
  return pull.kind === 'no-access' || (pull.kind === 'known' && pull.pull.state === 'closed');
}

async function askForPull(run: Run): Promise<Exclude<Facts['pull'], { kind: 'unasked' }>> {
  const { row } = run;
  const answer = await run.forge.read({
    repositoryId: row.repositoryId,
    ...(row.number === undefined ? {} : { number: row.number }),
    confirmed: confirmedRef(row),
    said: messageRef(row),
    // Another process may hold an older token that still reads a public repository.
    freshly: run.hints.has('access') || row.state.away !== undefined,
  });
  switch (answer.kind) {
    case 'known':
      await forgetLoss(run);
      return answer;
    case 'no-pull':
      return answer;
    case 'unknown':
      return doubt(run, answer.why);
    case 'no-access': {
      const lost = answer.lostAccess;
      if (lost !== undefined && (await isFrozen(run, lost)))
        return doubt(run, 'several accesses were lost at once');
      return { kind: 'no-access' };
    }
    default:
      return assertNever(answer);
  }
}

/** The access was seen again: if it is lost once more, that is another loss. */
async function forgetLoss(run: Run): Promise<void> {
  const { lostAccess } = run.row.state;
  if (lostAccess === undefined) return;
  await run.deps.ports.records.forgetLostAccess(accessOf(run.row, lostAccess));
  run.row = { ...run.row, state: omit(run.row.state, 'lostAccess') };
}

function doubt(run: Run, why: string): { kind: 'unknown' } {
  const { ports } = run.deps;
  run.events.push({ at: ports.now(), cause: run.cause.cause, step: 'ask', outcome: why, millis: 0 });
  ports.log({ level: 'warn', message: why, environment: run.key, delivery: run.cause.delivery });
  return { kind: 'unknown' };
}

/**
 * If one access is lost, somebody has removed it on purpose. If several are lost within the hour, the reason may be an
 * outage that answers 404, or our own mistake, and everything would be removed. So an alarm goes to the operator, who
 * has a day; the alarm reads this line.
 */
async function isFrozen(run: Run, access: string): Promise<boolean> {
  const { ports } = run.deps;
  const now = ports.now();
  const { since, others } = await ports.records.sightLostAccess(accessOf(run.row, access), now);
  run.row = { ...run.row, state: { ...run.row.state, lostAccess: access } };
  const together = others.filter((other) => Math.abs(other - since) <= LOSSES_TOGETHER);
  if (together.length === 0 || now - since >= LOSS_FREEZE) return false;
  ports.log({ level: 'error', message: 'access lost at once', access, lost: together.length + 1 });
  return true;
}

/** Two forges may use the same id for different accesses. */
function accessOf({ forge }: Row, access: string): string {
  return forge === undefined ? access : `${forge}:${access}`;
}

/** Taking Eph down needs no answer about the pull request, and continues when the forge does not answer. */
function asksOperatorFirst({ pauseMaxAge, row }: Run): boolean {
  return pauseMaxAge === 0 || row.state.paused === 'closed';
}

/**
 * While the forge asks not to be called, the operator's pause is still read: a pause, or taking Eph down, needs no
 * other answer. Undefined: nothing can be done without the forge.
 */
export async function askOperatorAlone(run: Run): Promise<Facts | undefined> {
  if (!asksOperatorFirst(run)) return undefined;
  const pause = await run.deps.ports.operator.pause(run.pauseMaxAge);
  if (pause === 'no') return undefined;
  return { pause, pull: { kind: 'unasked' }, instance: { kind: 'unasked' } };
}

interface Reports {
  progress?: Facts['progress'];
  result?: Facts['result'];
  failure?: unknown;
}

async function readReportsOf(run: Run, handle: Handle, hint: ObserveOptions['hint']): Promise<Reports> {
  const reports = hint ? [hint] : (['progress', 'result'] as const);
  try {
    return await run.deps.ports.compute.observe(handle, { power: false, reports });
  } catch (failure) {
    return { failure };
  }
}

async function checkAddress({ key, row, deps }: Run): Promise<Facts['address']> {
  const { ingress } = deps.ports;
  const handle = row.state.ingress;
  if (!handle || ingress.upgrade(handle) === 'unknown') return undefined;
  return ingress.check(key, handle);
}

function instanceFact(seen: Observed | undefined): Facts['instance'] {
  if (seen?.power === undefined) return { kind: 'unasked' };
  if (seen.power === 'unknown') return { kind: 'absent' };
  return { kind: 'found', power: seen.power, reason: seen.reason };
}
