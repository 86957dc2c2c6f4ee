import type { AgentState, Installed, Previous } from './agent-disk.ts';
import { installCheckout } from './install-checkout.ts';
import { keptFiles } from './keep-previous.ts';
import type { PlanningHost } from './plan-deployment.ts';
import { failureOf, type StageDeps } from './run-stage.ts';
import { startContainers } from './start-containers.ts';
import { type WaitDeps, waitUntilUp } from './wait-until-up.ts';

/**
 * Decides what serves after a failed deployment, and starts it: the previous version, whatever the failed one has
 * done to it. It asks Docker for the state and assumes nothing: after a reboot nothing starts by itself.
 */
export type Serves =
  | { kind: 'serves'; state: AgentState }
  | { kind: 'nothing'; state: AgentState }
  /** Something served before, and could not be started again. */
  | { kind: 'lost'; state: AgentState; sha: string; why: string }
  /** A newer generation has arrived. */
  | { kind: 'stopped'; state: AgentState };

type Deps = StageDeps & WaitDeps & Pick<PlanningHost, 'roleIsGuarded'>;

/** For a version that nothing has changed: it is up, or has not been started since the machine was. */
const LOOK_SECONDS = 5;
/** The version was up before. A longer wait for it would only delay the report of the failure. */
const AGAIN_SECONDS = 120;

export async function whatServes(state: AgentState, deps: Deps, signal: AbortSignal): Promise<Serves> {
  const { previous, serving, installed, ...rest } = state;
  if (previous) return goBack(state, previous, deps, signal);
  if (!installed || serving?.generation !== installed.generation) {
    return { kind: 'nothing', state: { ...rest, ...(installed ? { installed } : {}) } };
  }
  const look = await waitUntilUp(within(installed, LOOK_SECONDS), deps, signal);
  if (look.kind === 'stopped') return { kind: 'stopped', state };
  if (look.kind === 'up') return { kind: 'serves', state };
  deps.log.line(`generation ${installed.generation} does not answer either: starting it again`);
  const again = await startAgain(installed, deps, signal);
  switch (again.kind) {
    case 'stopped':
      return { kind: 'stopped', state };
    case 'up':
      return { kind: 'serves', state };
    case 'failed':
      return { kind: 'lost', state: { ...rest, installed }, sha: serving.sha, why: again.why };
  }
}

/** Data is left as it is: volumes belong to no version, and files that containers made are in no manifest. */
async function goBack(
  state: AgentState,
  { installed, serving, images }: Previous,
  deps: Deps,
  signal: AbortSignal,
): Promise<Serves> {
  const { previous: _given, ...rest } = state;
  deps.log.line(`going back to generation ${installed.generation}`);
  // It stays the version for a rollback: the next push that fails tries it again.
  const lost = (why: string): Serves => ({ kind: 'lost', state, sha: serving.sha, why });
  const files = await keptFiles(deps.disk, installed.generation);
  if (!files) return lost('its files were not kept');
  for (const { image, kept } of images) {
    // A name with a digest means the same image for ever.
    if (!image.includes('@') && !(await deps.compose.tag(kept, image)))
      return lost(`its image \`${image}\` is gone`);
  }
  try {
    await installCheckout(deps.disk, files.manifest, files.folder);
  } catch (error) {
    return lost(failureOf(error, deps.log.redact).sentence);
  }
  const again = await startAgain(installed, deps, signal);
  switch (again.kind) {
    case 'stopped':
      return { kind: 'stopped', state };
    case 'up':
      return { kind: 'serves', state: { ...rest, installed, serving } };
    case 'failed':
      return lost(again.why);
  }
}

async function startAgain(
  installed: Installed,
  deps: Deps,
  signal: AbortSignal,
): Promise<{ kind: 'up' } | { kind: 'stopped' } | { kind: 'failed'; why: string }> {
  try {
    await startContainers(installed, deps);
  } catch (error) {
    return { kind: 'failed', why: failureOf(error, deps.log.redact).sentence };
  }
  const outcome = await waitUntilUp(within(installed, AGAIN_SECONDS), deps, signal);
  return outcome.kind === 'failed'
    ? { kind: 'failed', why: outcome.failure.sentence }
    : { kind: outcome.kind };
}

function within(installed: Installed, seconds: number): Installed {
  const timeout = Math.min(installed.healthCheck.timeout, seconds);
  return { ...installed, healthCheck: { ...installed.healthCheck, timeout } };
}
