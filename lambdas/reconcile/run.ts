import { type EnvironmentState, type Row, wantedHostnames } from '#core/environment';
import type { Facts } from '#core/lifecycle';
import type { KeyedHash } from '#core/names';
import { describeEnvironment, type View } from '#core/view';
import type { Config } from '../config.ts';
import type { Event, Ports, RepositoryRef } from '../ports.ts';
import type { Address, Ingress } from '../providers/ingress.ts';
import type { GitHubAccount } from './limit-github.ts';

/** What is the same for every run of one process. */
export interface World {
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
  /** The comparison missed something of this row: ask those who have it too. */
  suspect?: boolean;
  /** Who may see the repository may have changed: GitHub is asked with a new token. */
  access?: boolean;
  /** Another pull request has written over what this one told of its commit. */
  retell?: boolean;
  /** The machine was seen to stop or end: ask EC2. */
  machine?: boolean;
  /** The operator has just spoken. */
  fresh?: boolean;
  /** It is a delayed message of the row's own, and nobody else's word. */
  ownTimer?: boolean;
}

/** One run of the reconciler over one row, from lease to release. */
export interface Run {
  key: string;
  leaseId: string;
  cause: Cause;
  row: Row;
  /** What the table has of the state. */
  saved: EnvironmentState;
  world: World;
  github: GitHubAccount;
  /** GitHub was asked since the last message came. */
  asked: boolean;
  /** Whoever was asked last did not answer: what the message said is still to be looked at. */
  unanswered: boolean;
  /** How old the operator's word may be that this run goes by, milliseconds. */
  pauseMaxAge: number;
  /** Its answer, for the rest of the run. */
  lastPull?: Facts['pull'];
  events: Event[];
}

/** A step's new state and one phrase for the trace. */
export interface StepResult {
  state: EnvironmentState;
  outcome: string;
}

/** How to reach the repository: as GitHub confirmed it last, and before that by the message's word. */
export function refOf(row: Row): RepositoryRef {
  return confirmedRef(row) ?? saidRef(row);
}

export function saidRef({ repositoryId, source: { installationId, owner, name } }: Row): RepositoryRef {
  return { repositoryId, installationId, owner, name };
}

export function confirmedRef({ repositoryId, source, state }: Row): RepositoryRef | undefined {
  if (!state.pull) return undefined;
  // Rows of the version before did not keep it.
  const installationId = state.installationId ?? source.installationId;
  return { repositoryId, installationId, owner: state.pull.owner, name: state.pull.repository };
}

/** How hosts and texts make a URL of a host name: as the ingress does. */
export function urlTemplateOf(ingress: Ingress): string {
  const { hostname, url } = ingress.address('any');
  return url.replace(hostname, '{host}');
}

/** Every name that must lead to the environment, the main one first. */
export function addressesOf({ row, world }: Run): Address[] {
  const template = urlTemplateOf(world.ports.ingress);
  return wantedHostnames(row.state).map((hostname) => ({
    hostname,
    url: template.replace('{host}', hostname),
  }));
}

/** Saves in the middle of a step: the intent must be in the table before the effect. */
export async function saveIntent(run: Run, state: EnvironmentState): Promise<void> {
  const paid = withGitHubPaid(run, state);
  await run.world.ports.environments.save(run.key, run.leaseId, paid);
  run.saved = paid;
  run.row = { ...run.row, state: paid };
}

/** The state with what its calls to GitHub have cost so far. */
export function withGitHubPaid({ github }: Run, state: EnvironmentState): EnvironmentState {
  return github.paidUntil === 0 ? state : { ...state, githubPaidUntil: github.paidUntil };
}

/** What people should see of the environment in this state. */
export function viewOf(run: Run, state: EnvironmentState): View {
  return describeEnvironment(state, {
    deploymentId: run.world.config.DEPLOYMENT_ID,
    environment: run.key,
    urlTemplate: urlTemplateOf(run.world.ports.ingress),
    required: run.world.config.REQUIRED_CHECK,
  });
}
