import { type EnvironmentState, type Row, wantedHostnames } from '#core/environment';
import type { Hint } from '#core/hints';
import type { Facts } from '#core/lifecycle';
import type { KeyedHash } from '#core/names';
import { type Summary, summarize } from '#core/summary';
import type { Config } from '../config.ts';
import type { Event, Holder, Ports, RepositoryRef } from '../ports.ts';
import type { CallAccount, Forge } from '../providers/forge.ts';
import type { Address, Ingress } from '../providers/ingress.ts';

/** What is the same for every run of one process. */
export interface Dependencies {
  ports: Ports;
  config: Config;
  /** The hash in names. */
  nameHash: KeyedHash;
}

/** Why a run takes place. */
export interface Cause {
  delivery: string;
  /** For people who read the trace: `pull_request.opened`, `report result.json`, `due`. */
  cause: string;
  /** The mailbox file that changed, if nothing else happened: this saves asking everybody else. */
  report?: 'progress' | 'result';
  /** The message is a delayed one of the row itself, and nothing else has happened. */
  ownTimer?: boolean;
}

/** One run of the reconciler over one row, from lease to release. */
export interface Run {
  key: string;
  leaseId: string;
  /** Number of writes to the row so far. */
  writes: number;
  cause: Cause;
  row: Row;
  /** The hints of messages, as read from the row; the next observation acts on them. */
  hints: ReadonlySet<Hint>;
  /** The state as the table has it. */
  saved: EnvironmentState;
  deps: Dependencies;
  /** The environment's forge, limited to the calls that this environment may make. */
  forge: Forge<Summary>;
  /** What this environment's calls to the forge have cost. */
  account: CallAccount;
  /** The forge was asked since the last message arrived. */
  asked: boolean;
  /** What people see was checked against what was reported. */
  rechecked: boolean;
  /** Everybody who had to be asked has answered since the row was read last: the run has acted on every hint. */
  answered: boolean;
  /** How old, in milliseconds, the operator's pause may be that this run uses. */
  pauseMaxAge: number;
  /** The forge's answer, for the rest of the run. */
  lastPull?: Facts['pull'];
  /** The summary of that state, which a step needs more than once. */
  summarized?: { state: EnvironmentState; summary: Summary | undefined };
  events: Event[];
}

/** A step's new state and one phrase for the trace. */
export interface StepResult {
  state: EnvironmentState;
  outcome: string;
}

/** How to reach the repository: as the forge confirmed it last, and before that as the message named it. */
export function refOf(row: Row): RepositoryRef {
  return confirmedRef(row) ?? messageRef(row);
}

export function messageRef({ repositoryId, source: { access, owner, name } }: Row): RepositoryRef {
  return { repositoryId, access, owner, name };
}

export function confirmedRef({ repositoryId, source, state }: Row): RepositoryRef | undefined {
  if (!state.pull) return undefined;
  const { access = source.access } = state;
  return { repositoryId, access, owner: state.pull.owner, name: state.pull.repository };
}

/** How hosts and texts make a URL of a host name: as the ingress does. */
export function urlTemplateOf(ingress: Ingress): string {
  const { hostname, url } = ingress.address('any');
  return url.replace(hostname, '{host}');
}

/** Every hostname that must lead to the environment, the main one first. */
export function addressesOf({ row, deps }: Run, state: EnvironmentState = row.state): Address[] {
  const template = urlTemplateOf(deps.ports.ingress);
  return wantedHostnames(state).map((hostname) => ({
    hostname,
    url: template.replace('{host}', hostname),
  }));
}

/** An address that is being withdrawn is not open, whatever is left of it. */
export function isOpen({ deps }: Run, state: EnvironmentState, names: readonly Address[]): boolean {
  return !state.withdrawing && deps.ports.ingress.isOpen(state.ingress, names);
}

/** Saves in the middle of a step: the intent must be in the table before the effect. */
export async function saveIntent(run: Run, state: EnvironmentState): Promise<void> {
  const paid = withCallsPaid(run, state);
  await run.deps.ports.environments.save(run.key, nextWrite(run), paid);
  run.saved = paid;
  run.row = { ...run.row, state: paid };
}

/** The holder of the lease, and the number of its next write in this run. */
export function nextWrite(run: Run): Holder {
  run.writes += 1;
  return { leaseId: run.leaseId, write: run.writes };
}

/** The state with what its calls to the forge have cost so far. */
export function withCallsPaid({ account }: Run, state: EnvironmentState): EnvironmentState {
  if (account.paidUntil === 0 || account.paidUntil === state.callsPaidUntil) return state;
  return { ...state, callsPaidUntil: account.paidUntil };
}

/** What is to be reported to people about the environment in this state. */
export function summaryOf(run: Run, state: EnvironmentState): Summary | undefined {
  if (run.summarized?.state !== state) run.summarized = { state, summary: newSummary(run, state) };
  return run.summarized.summary;
}

function newSummary(run: Run, state: EnvironmentState): Summary | undefined {
  const { config, ports } = run.deps;
  const [main] = addressesOf(run, state);
  return summarize(state, {
    environment: run.key,
    number: run.row.number,
    urlTemplate: urlTemplateOf(ports.ingress),
    reachable: main !== undefined && isOpen(run, state, [main]),
    required: config.REQUIRED_CHECK,
  });
}

/** Nothing is reported while the pull request is away; if it comes back, everything is reported again. */
export function isReportDue(run: Run, state: EnvironmentState): boolean {
  const summary = state.away ? undefined : summaryOf(run, state);
  return summary !== undefined && !run.forge.isShown(summary, state.told);
}

/** The state as if nothing had been reported to people yet. */
export function forgetReported(forge: Forge<Summary>, state: EnvironmentState): EnvironmentState {
  return state.told ? { ...state, told: forge.forgetShown(state.told) } : state;
}
