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

/** Why somebody looks. */
export interface Cause {
  delivery: string;
  /** For people reading the trace: `pull_request.opened`, `report result.json`, `due`. */
  cause: string;
  /** Which mailbox file changed, when that is all that happened: saves asking everybody else. */
  report?: 'progress' | 'result';
  /** It is a delayed message of the row's own, and nobody else's word. */
  ownTimer?: boolean;
}

/** One run of the reconciler over one row, from lease to release. */
export interface Run {
  key: string;
  leaseId: string;
  /** Writes to the row so far. */
  writes: number;
  cause: Cause;
  row: Row;
  /** What messages knew, as read from the row; acted on when the run looks next. */
  hints: ReadonlySet<Hint>;
  /** What the table has of the state. */
  saved: EnvironmentState;
  deps: Dependencies;
  /** Where the environment comes from, as far as it may use it. */
  forge: Forge<Summary>;
  /** What this environment's calls to the forge have cost. */
  account: CallAccount;
  /** The forge was asked since the last message came. */
  asked: boolean;
  /** What people see was held against what they were told. */
  rechecked: boolean;
  /** Everybody who had to be asked has answered since the row was read last: no hint is left to be acted on. */
  answered: boolean;
  /** How old the operator's word may be that this run goes by, milliseconds. */
  pauseMaxAge: number;
  /** Its answer, for the rest of the run. */
  lastPull?: Facts['pull'];
  /** What people should hear of that state: it is asked more than once in a step. */
  summarized?: { state: EnvironmentState; summary: Summary | undefined };
  events: Event[];
}

/** A step's new state and one phrase for the trace. */
export interface StepResult {
  state: EnvironmentState;
  outcome: string;
}

/** How to reach the repository: as the forge confirmed it last, and before that by the message's word. */
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

/** Every name that must lead to the environment, the main one first. */
export function addressesOf({ row, deps }: Run, state: EnvironmentState = row.state): Address[] {
  const template = urlTemplateOf(deps.ports.ingress);
  return wantedHostnames(state).map((hostname) => ({
    hostname,
    url: template.replace('{host}', hostname),
  }));
}

/** What is being taken away leads nowhere, whatever is left of it. */
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

/** Who writes, and the how-manieth write of this run it is. */
export function nextWrite(run: Run): Holder {
  run.writes += 1;
  return { leaseId: run.leaseId, write: run.writes };
}

/** The state with what its calls to the forge have cost so far. */
export function withCallsPaid({ account }: Run, state: EnvironmentState): EnvironmentState {
  if (account.paidUntil === 0 || account.paidUntil === state.callsPaidUntil) return state;
  return { ...state, callsPaidUntil: account.paidUntil };
}

/** What people should hear of the environment in this state. */
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

/** What is away is told to nobody; whoever comes back is told anew. */
export function isReportDue(run: Run, state: EnvironmentState): boolean {
  const summary = state.away ? undefined : summaryOf(run, state);
  return summary !== undefined && !run.forge.isShown(summary, state.told);
}

/** As if nobody had been told anything yet. */
export function forgetReported(forge: Forge<Summary>, state: EnvironmentState): EnvironmentState {
  return state.told ? { ...state, told: forge.forgetShown(state.told) } : state;
}
