import { type EnvironmentState, enterPhase, type Failure } from './environment.ts';
import { assertNever, type Facts, isHeldBack, isWanted, omit, type Policy } from './lifecycle.ts';
import { GONE_CONFIRMATION, MAX_PUBLIC_SERVICES, ORPHAN_GRACE } from './limits.ts';
import type { Progress, PublicService, Result } from './mailbox.ts';
import type { Pause } from './pause.ts';

/** Facts into the row. Pure: a report that is read twice, or a stale one, changes nothing. */
export function absorb(state: EnvironmentState, facts: Facts, policy: Policy, now: number): EnvironmentState {
  let next = absorbPause(state, facts.pause, now);
  next = absorbPull(next, facts.pull, policy, now);
  if (facts.edge) next = absorbEdge(next, facts.edge);
  if (facts.progress) next = absorbProgress(next, facts.progress);
  if (facts.result) next = absorbResult(next, facts.result, now);
  // After its reports, which are older: a machine that is off serves nothing.
  next = absorbInstance(next, facts.instance, now);
  return restWhilePaused(next, now);
}

export function absorbPause(
  state: EnvironmentState,
  pause: Pause | undefined,
  now: number,
): EnvironmentState {
  if (pause === undefined) return state;
  const next = pause === 'no' ? omit(state, 'paused') : { ...state, paused: pause };
  return next.pull ? closedSince(next, now) : next;
}

/** No step leads there, so the phase says it: asleep by the operator's will, or waiting for a machine. */
function restWhilePaused(state: EnvironmentState, now: number): EnvironmentState {
  const failed = state.failure !== undefined && state.failure.sha === state.pull?.sha;
  if (!isHeldBack(state) || failed || state.host?.power === 'gone') return state;
  // With its address: one that was closed meanwhile waits for a new one.
  const asleep = state.host?.instanceId !== undefined && state.tunnel !== undefined;
  return enterPhase(state, asleep ? 'stopped' : 'queued', now);
}

function absorbPull(
  state: EnvironmentState,
  fact: Facts['pull'],
  policy: Policy,
  now: number,
): EnvironmentState {
  switch (fact.kind) {
    case 'unasked':
      return state;
    case 'unknown':
      // Nothing exists of what the forge never confirmed: two refusals end such a row.
      // Of what it did confirm, two sightings must follow one another: what is in doubt between them is no witness.
      return state.pull ? omit(state, 'goneSince') : { ...state, goneSince: state.goneSince ?? now };
    case 'no-pull': {
      const goneSince = state.goneSince ?? now;
      const seen = { ...state, goneSince };
      if (!state.pull || now - goneSince < GONE_CONFIRMATION) return seen;
      return closedSince({ ...seen, away: state.away ?? { since: now, why: 'no-pull' } }, now);
    }
    case 'no-access':
      return closedSince(
        { ...omit(state, 'goneSince'), away: state.away ?? { since: now, why: 'no-access' } },
        now,
      );
    case 'known': {
      const seen: EnvironmentState = {
        ...omit(state, 'goneSince', 'decline'),
        pull: fact.pull,
        access: fact.access,
      };
      const decline = declineReason(seen, policy);
      let next = decline ? { ...seen, decline } : seen;
      if (next.failure && next.failure.sha !== fact.pull.sha) next = omit(next, 'failure');
      // Its time since closing begins anew.
      if (next.away) next = omit(next, 'away', 'closedAt');
      return closedSince(next, now);
    }
    default:
      return assertNever(fact);
  }
}

function closedSince(state: EnvironmentState, now: number): EnvironmentState {
  if (isWanted(state)) return omit(state, 'closedAt', 'forgetAt');
  // What a host reported is of no use any more, and must not be what keeps the row from being saved.
  const closing = { ...omit(state, 'failure', 'timings'), services: [], warnings: [] };
  return { ...closing, closedAt: state.closedAt ?? now };
}

function declineReason(state: EnvironmentState, policy: Policy): EnvironmentState['decline'] {
  if (policy.excluded) return 'excluded';
  if (state.pull?.fork) return 'fork';
  if (state.pull?.bot) return 'bot';
  if (state.pull?.draft) return 'draft';
  const { settings } = state;
  if (settings?.sha !== state.pull?.sha || settings?.found !== false) return undefined;
  if (!policy.listed) return 'unlisted';
  return settings.runnable === false ? 'nothing-to-run' : undefined;
}

function absorbInstance(state: EnvironmentState, fact: Facts['instance'], now: number): EnvironmentState {
  const { host } = state;
  if (fact.kind === 'unasked' || !host?.instanceId) return state;
  if (fact.kind === 'absent' && now - host.startedAt < ORPHAN_GRACE) return state;
  const power = fact.kind === 'found' ? fact.power : 'gone';
  const ended = fact.kind === 'found' && power === 'gone' && fact.reason ? { ended: fact.reason } : {};
  const seen = { ...state, host: { ...host, power, ...ended } };
  if (power === 'gone') return omit(seen, 'order', 'serving', 'unfinishedSince');
  return power === 'off' ? omit(seen, 'serving') : seen;
}

/** Somebody deleted it by hand: what is missing is made again, and a new tunnel needs a new order. */
function absorbEdge(state: EnvironmentState, edge: NonNullable<Facts['edge']>): EnvironmentState {
  const { tunnel } = state;
  if (tunnel?.id && !edge.tunnelIds.includes(tunnel.id)) {
    // The records may still be there and lead to it: not knowing their ids, each is found and led elsewhere.
    const records = state.records.map(({ hostname }) => ({ hostname }));
    return { ...omit(state, 'tunnel', 'order'), tunnelEpoch: state.tunnelEpoch + 1, records };
  }
  const records = state.records.map((record) =>
    record.id && edge.recordIds.includes(record.id) ? record : { hostname: record.hostname },
  );
  return { ...state, records };
}

function absorbProgress(state: EnvironmentState, progress: Progress): EnvironmentState {
  const { order, host } = state;
  if (!order || progress.generation !== order.generation) return state;
  const next = heard({ ...state, warnings: progress.warnings }, host);
  const services = progress.services.length > 0 ? ownServices(state, progress.services) : state.services;
  const needs = order.finished === undefined && progress.revision === order.revision && progress.needs;
  const { stage, waiting } = progress;
  const doing = waiting === undefined ? {} : { doing: { stage, waiting } };
  return { ...next, services, order: { ...order, ...doing, ...(needs ? { needs } : {}) } };
}

function absorbResult(state: EnvironmentState, result: Result, now: number): EnvironmentState {
  const { order } = state;
  if (!order || result.generation !== order.generation || order.finished) return state;
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
      return enterPhase(
        {
          ...omit(base, 'failure'),
          retries: state.retries['report'] ? { report: state.retries['report'] } : {},
          serving: { sha: order.sha, generation: order.generation, since: now },
        },
        'ready',
        now,
      );
    case 'failed': {
      const failure: Failure = {
        code: result.failure?.code ?? 'unknown',
        sentence: result.failure?.sentence ?? 'The host reported a failure without a reason.',
        log: result.failure?.log ?? [],
        sha: order.sha,
        at: now,
        ...(result.failure?.service ? { service: result.failure.service } : {}),
        ...(result.lost ? { lost: result.lost } : {}),
      };
      // The host says which version answers: it may be one that the row has never seen ready, or none.
      const { serving } = result;
      const since = base.serving?.generation === serving?.generation ? base.serving?.since : undefined;
      const kept = serving
        ? { ...base, serving: { ...serving, since: since ?? now } }
        : omit(base, 'serving');
      return enterPhase({ ...kept, failure }, 'failed', now);
    }
    default:
      return assertNever(result.outcome);
  }
}

/**
 * A host runs somebody's code and may claim to serve `admin.<zone>`: only names of this environment count,
 * and paths that are paths.
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
