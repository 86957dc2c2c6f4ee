import type { EnvironmentState, Row } from '#core/environment';
import type { Facts } from '#core/lifecycle';
import { describeEnvironment, type View } from '#core/view';
import type { Config } from '../config.ts';
import type { Event, Ports, RepositoryRef } from '../ports.ts';

/** What is the same for every run of one process. */
export interface World {
  ports: Ports;
  config: Config;
  /** Keys the hash in names; read once per cold start. */
  nameKey: string;
}

/** Why somebody looks. */
export interface Cause {
  delivery: string;
  /** For people reading the trace: `pull_request.opened`, `report result.json`, `due`. */
  cause: string;
  /** Which mailbox file changed, when that is all that happened: saves asking everybody else. */
  report?: 'progress' | 'result';
  /** The comparison missed something of this row: ask EC2 and Cloudflare too. */
  suspect?: boolean;
  /** GitHub said that repository or installation is gone. */
  gone?: boolean;
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
  /** GitHub was asked since the last message came. */
  asked: boolean;
  /** Its answer, for the rest of the run. */
  lastPull?: Facts['pull'];
  events: Event[];
}

/** A step's new state and one phrase for the trace. */
export interface StepResult {
  state: EnvironmentState;
  outcome: string;
}

/** How to reach the repository: the last message's word. GitHub redirects a name that is out of date. */
export function refOf(row: Row): RepositoryRef {
  return row.source;
}

/** Saves in the middle of a step: the intent must be in the table before the effect. */
export async function saveIntent(run: Run, state: EnvironmentState): Promise<void> {
  await run.world.ports.environments.save(run.key, run.leaseId, state);
  run.saved = state;
  run.row = { ...run.row, state };
}

/** What people should see of the environment in this state. */
export function viewOf(run: Run, state: EnvironmentState): View {
  return describeEnvironment(state, {
    deploymentId: run.world.config.DEPLOYMENT_ID,
    environment: run.key,
    urlTemplate: run.world.config.PREVIEW_URL_TEMPLATE,
  });
}
