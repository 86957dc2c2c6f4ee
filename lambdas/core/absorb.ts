import type { EnvironmentState, Failure, Host, PullRequest } from './environment.ts';
import { assertNever, type Facts, isLate, isWaking, omit } from './lifecycle.ts';
import { GONE_CONFIRMATION, MAX_PUBLIC_SERVICES, ORPHAN_GRACE } from './limits.ts';
import type { Pause } from './pause.ts';
import type { Progress, PublicService, Result } from './report.ts';

/** Puts the facts into the row. Pure: a report that is read twice, or an old one, changes nothing. */
export function absorb(state: EnvironmentState, facts: Facts, now: number): EnvironmentState {
  let next = absorbPause(state, facts.pause);
  next = absorbPull(next, facts.pull, now);
  if (facts.address) next = absorbAddress(next, facts.address);
  // This comes before the host's reports: only a machine that is on can have woken.
  next = absorbSwitchedOn(next, facts.instance, now);
  if (facts.progress) next = absorbProgress(next, facts.progress);
  if (facts.result) next = absorbResult(next, facts.result, now);
  // This comes after the host's reports, which are older: a machine that is off serves nothing.
  return absorbInstance(next, facts.instance, now);
}

export function absorbPause(state: EnvironmentState, pause: Pause | undefined): EnvironmentState {
  if (pause === undefined) return state;
  return pause === 'no' ? omit(state, 'paused') : { ...state, paused: pause };
}

function absorbPull(state: EnvironmentState, fact: Facts['pull'], now: number): EnvironmentState {
  switch (fact.kind) {
    case 'unasked':
      return state;
    case 'unknown':
      // A pull request that the forge never confirmed has nothing that exists: two refusals end its row.
      // A confirmed one is away only after two sightings, without an `unknown` between them.
      return state.pull ? omit(state, 'goneSince') : { ...state, goneSince: state.goneSince ?? now };
    case 'no-pull': {
      const goneSince = state.goneSince ?? now;
      const seen = { ...state, goneSince };
      if (!state.pull || now - goneSince < GONE_CONFIRMATION) return seen;
      return { ...seen, away: state.away ?? { since: now, why: 'no-pull' } };
    }
    case 'no-access':
      return { ...omit(state, 'goneSince'), away: state.away ?? { since: now, why: 'no-access' } };
    case 'known': {
      const there = omit(state, 'goneSince');
      const isSame = there.pull === fact.pull && there.access === fact.access;
      const seen: EnvironmentState = isSame
        ? there
        : {
            ...there,
            pull: fact.pull,
            access: fact.access,
            ...(isPush(state.pull, fact.pull) ? { activeAt: now } : {}),
          };
      const next = seen.failure && seen.failure.sha !== fact.pull.sha ? omit(seen, 'failure') : seen;
      // Nothing could be reported while it was away, and its time since closing starts again.
      return next.away ? omit(next, 'away', 'closedAt') : next;
    }
    default:
      return assertNever(fact);
  }
}

/** Somebody is working on it and wants to see the result. */
function isPush(before: PullRequest | undefined, { sha, state }: PullRequest): boolean {
  return state === 'open' && (before?.sha !== sha || before.state !== 'open');
}

/** It was switched on by hand, or by a run that died before it could save that. */
function absorbSwitchedOn(state: EnvironmentState, fact: Facts['instance'], now: number): EnvironmentState {
  const { host } = state;
  if (fact.kind !== 'found' || fact.power !== 'on' || host?.power !== 'off') return state;
  return { ...state, host: { ...host, power: 'on', heard: false, everHeard: true, startedAt: now } };
}

function absorbInstance(state: EnvironmentState, fact: Facts['instance'], now: number): EnvironmentState {
  const { host } = state;
  if (fact.kind === 'unasked' || !host || host.power === 'unknown') return state;
  if (fact.kind === 'absent' && now - host.startedAt < ORPHAN_GRACE) return state;
  const power = fact.kind === 'found' ? fact.power : 'gone';
  const ended = fact.kind === 'found' && power === 'gone' && fact.reason ? { ended: fact.reason } : {};
  if (power === 'off') return switchedOff(state, host, now);
  const seen = { ...state, host: { ...host, power, ...ended } };
  return power === 'gone' ? omit(seen, 'order', 'serving', 'onDisk', 'unfinishedSince') : seen;
}

/** What was serving is on the disk. A build that had not finished must start again. */
export function switchedOff(state: EnvironmentState, host: Host, now: number): EnvironmentState {
  const { serving, order } = state;
  const unfinished = order?.finished ? [] : (['order', 'unfinishedSince'] as const);
  const offSince = host.power === 'off' ? (host.offSince ?? now) : now;
  const off = {
    ...omit(state, 'serving', ...unfinished),
    host: { ...host, power: 'off' as const, heard: false, offSince },
  };
  return serving ? { ...off, onDisk: { sha: serving.sha, generation: serving.generation } } : off;
}

/** Somebody deleted it by hand: what is missing is made again, and a detached host needs a new deployment spec. */
function absorbAddress(state: EnvironmentState, { handle, attached }: NonNullable<Facts['address']>) {
  const next = handle ? { ...state, ingress: handle } : omit(state, 'ingress');
  return attached ? next : { ...omit(next, 'order'), openings: state.openings + 1 };
}

function absorbProgress(state: EnvironmentState, progress: Progress): EnvironmentState {
  const { order, host } = state;
  // A host that is waking reports only its result; the progress in its mailbox is from before it slept.
  if (!order || progress.generation !== order.generation || isWaking(state)) return state;
  const next = heard({ ...state, warnings: progress.warnings }, host);
  const services = progress.services.length > 0 ? ownServices(state, progress.services) : state.services;
  const needs = order.finished === undefined && progress.revision === order.revision && progress.needs;
  const { stage, waiting } = progress;
  const doing = waiting === undefined ? {} : { doing: { stage, waiting } };
  return { ...next, services, order: { ...order, ...doing, ...(needs ? { needs } : {}) } };
}

function absorbResult(state: EnvironmentState, result: Result, now: number): EnvironmentState {
  const { order } = state;
  if (isWaking(state)) return absorbRevival(state, result, now);
  if (!order || result.generation !== order.generation || (order.finished && !isLate(state))) return state;
  const ended = { ...heard(state, state.host), order: { ...order, finished: result.outcome } };
  if (result.outcome === 'superseded') return ended;
  const base: EnvironmentState = {
    ...omit(ended, 'unfinishedSince'),
    warnings: result.warnings,
    timings: result.timings,
    services: result.services.length > 0 ? ownServices(state, result.services) : state.services,
  };
  switch (result.outcome) {
    case 'ready':
      return {
        ...omit(base, 'failure', 'onDisk'),
        retries: state.retries['report'] ? { report: state.retries['report'] } : {},
        serving: { sha: order.sha, generation: order.generation, since: now },
      };
    case 'failed': {
      const failure = failureOf(result, order.sha, now);
      // The host reports which version is serving: the row may never have seen that one ready, or there may be none.
      const { serving } = result;
      const since = base.serving?.generation === serving?.generation ? base.serving?.since : undefined;
      const kept = serving
        ? { ...base, serving: { ...serving, since: since ?? now } }
        : omit(base, 'serving');
      return { ...omit(kept, 'onDisk'), failure };
    }
    default:
      return assertNever(result.outcome);
  }
}

/**
 * A host that was switched on again reports that the version on its disk is serving, or why it is not. The report from
 * before it was switched off is still in its mailbox. The host's clock tells which is which: it differs from ours by
 * seconds at worst, and a boot takes half a minute. `startedAt` does not: a run that dies after the start is repeated.
 */
function absorbRevival(state: EnvironmentState, result: Result, now: number): EnvironmentState {
  const { onDisk, host } = state;
  if (!onDisk || !host || result.at <= (host.offSince ?? host.startedAt) || result.outcome === 'superseded')
    return state;
  if (result.generation !== onDisk.generation) return state;
  const awake = omit(heard(state, host), 'onDisk');
  if (result.outcome === 'ready') {
    const services = result.services.length > 0 ? ownServices(state, result.services) : state.services;
    return { ...awake, services, serving: { ...onDisk, since: now } };
  }
  return state.failure ? awake : { ...awake, failure: failureOf(result, onDisk.sha, now) };
}

function failureOf(result: Result, sha: string, now: number): Failure {
  return {
    code: result.failure?.code ?? 'unknown',
    sentence: result.failure?.sentence ?? 'The host reported a failure without a reason.',
    log: result.failure?.log ?? [],
    sha,
    at: now,
    ...(result.failure?.service ? { service: result.failure.service } : {}),
    ...(result.lost ? { lost: result.lost } : {}),
  };
}

/**
 * A host runs somebody's code and may claim to serve `admin.<zone>`: only hostnames of this environment count,
 * and only valid paths.
 */
function ownServices(state: EnvironmentState, services: readonly PublicService[]): PublicService[] {
  return services
    .filter(({ hostname, primary }) => (primary ? hostname === state.hostname : isOwnName(hostname, state)))
    .filter(({ path }) => /^\/[A-Za-z0-9._~/-]{0,128}$/.test(path))
    .slice(0, MAX_PUBLIC_SERVICES);
}

function isOwnName(hostname: string, { hostname: main }: EnvironmentState): boolean {
  if (!main || !hostname.endsWith(`--${main}`)) return false;
  return /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(hostname.slice(0, -main.length - 2));
}

function heard(state: EnvironmentState, host: EnvironmentState['host']): EnvironmentState {
  return host ? { ...state, silentHosts: 0, host: { ...host, heard: true, everHeard: true } } : state;
}
