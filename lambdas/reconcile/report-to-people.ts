import type { DeploymentState, EnvironmentState } from '#core/environment';
import { EphError } from '#core/failure';
import { isWanted } from '#core/lifecycle';
import { MAX_REPLACED_DEPLOYMENTS, REPORT_TRIES } from '#core/limits';
import { commentMarker, environmentKey } from '#core/names';
import { plainer } from '#core/plainer';
import { commentDue, deployedSha, deploymentDue, digest, statusDue, type View } from '#core/view';
import { type Run, refOf, type StepResult, saveIntent, viewOf } from './run.ts';

const GITHUB_ENVIRONMENT = 'preview';
/** Far below GitHub's 65,536 and 140. */
const MAX_PLAINER_COMMENT = 8_000;
const MAX_PLAINER_DESCRIPTION = 100;

/**
 * Comment, commit status and deployment, each only when it differs from what was told last. What GitHub
 * refuses for good (repository archived, a permission that is missing) counts as told: there is nobody to tell.
 */
export async function reportToPeople(run: Run): Promise<StepResult> {
  const view = viewOf(run, run.row.state);
  const told: string[] = [];
  // Begun here, so that the deployment's intent is saved together with it.
  if (view.comment !== undefined && !run.row.state.comment) {
    const comment = { id: 0, digest: '', at: run.world.ports.now() };
    setState(run, { ...run.row.state, comment });
  }
  const channels = { deployment: tellDeployment, comment: tellComment, status: tellStatus };
  for (const [channel, tell] of Object.entries(channels)) {
    const before = run.row.state;
    const after = await tell(run, view);
    if (after === before) continue;
    told.push(channel);
    setState(run, after);
  }
  return { state: run.row.state, outcome: told.join(', ') || 'nothing new' };
}

/** The intent first: a comment whose answer was lost is kept true, also when nothing else would begin one. */
async function tellComment(run: Run, view: View): Promise<EnvironmentState> {
  const { comment: body } = view;
  if (!commentDue(run.row.state, view) || body === undefined) return run.row.state;
  const { pullRequests, now } = run.world.ports;
  const marker = commentMarker(run.world.config.DEPLOYMENT_ID, run.key);
  if (!run.saved.comment) await saveIntent(run, run.row.state);
  const { state } = run.row;
  const known = state.comment?.id ?? 0;
  const told = (id: number) => ({ ...state, comment: { id, digest: digest(body), at: now() } });
  const write = (text: string) =>
    pullRequests.upsertComment(refOf(run.row), run.row.number, {
      commentId: known || undefined,
      marker,
      body: text,
      // One that a person deleted does not come back to say that all is over.
      mayCreate: known === 0 || isWanted(state),
    });
  return orNobody(
    run,
    () => told(known),
    async () => {
      const { id } = await orPlainer(write, body, MAX_PLAINER_COMMENT);
      return told(id);
    },
  );
}

async function tellStatus(run: Run, view: View): Promise<EnvironmentState> {
  const { state } = run.row;
  const { status } = view;
  if (!status || !state.pull || !statusDue(state, view)) return state;
  const { sha } = state.pull;
  const told = { ...state, status: { sha, digest: digest(status), state: status.state } };
  const { setStatus } = run.world.ports.pullRequests;
  return orNobody(
    run,
    () => told,
    async () => {
      const write = (description: string) => setStatus(refOf(run.row), sha, { ...status, description });
      await orPlainer(write, status.description, MAX_PLAINER_DESCRIPTION);
      if (!isWanted(state)) await wakeOthersOf(run, sha);
      return told;
    },
  );
}

/** A commit has one status of ours: the other pull requests that it is the head of say theirs again. */
async function wakeOthersOf(run: Run, sha: string): Promise<void> {
  const { ports } = run.world;
  const { repositoryId, number } = run.row;
  const numbers = await ports.pullRequests.openPullsOf(refOf(run.row), sha);
  const others = numbers.filter((other) => other !== number);
  if (others.length === 0) return;
  await ports.jobs.sendAll(
    others.map((other) => ({
      v: 1,
      kind: 'wake',
      delivery: run.cause.delivery,
      environment: environmentKey(repositoryId, other),
      cause: `pull request #${number} ended`,
      retell: true,
    })),
  );
}

/** What GitHub does not take as it is (nobody knows all of its rules) is said again, shorter and plainer. */
async function orPlainer<T>(
  write: (text: string) => Promise<T>,
  text: string,
  maxLength: number,
): Promise<T> {
  try {
    return await write(text);
  } catch (error) {
    if (!(error instanceof EphError) || error.code !== 'github_422') throw error;
    return write(plainer(text, maxLength));
  }
}

async function tellDeployment(run: Run, view: View): Promise<EnvironmentState> {
  const { deployment: wanted } = view;
  if (!wanted || !deploymentDue(run.row.state, view)) return run.row.state;
  const told = () => {
    const { deployment } = run.row.state;
    const sha = wanted.state === 'inactive' ? deployment?.sha : deployedSha(run.row.state);
    const { id = 0, replaces = [] } = deployment ?? {};
    const told = { id, sha: sha ?? '', state: wanted.state };
    const deploymentTold = endsOthers(wanted.state) || replaces.length === 0 ? told : { ...told, replaces };
    return { ...run.row.state, deployment: deploymentTold };
  };
  return orNobody(run, told, async () => {
    if (wanted.state === 'inactive') await findBegun(run);
    else await ensureDeployment(run);
    const { deployment } = run.row.state;
    const tell = run.world.ports.pullRequests.setDeploymentStatus;
    const { id } = deployment ?? {};
    const write = (description: string) => tell(refOf(run.row), id ?? 0, { ...wanted, description });
    if (id) await orPlainer(write, wanted.description, MAX_PLAINER_DESCRIPTION);
    // Transient deployments are not made inactive by GitHub: those before are ours to end, as soon as this one
    // serves; until then theirs is the link that works.
    for (const id of endsOthers(wanted.state) ? (deployment?.replaces ?? []) : [])
      await tell(refOf(run.row), id, superseded);
    return told();
  });
}

function endsOthers(state: DeploymentState): boolean {
  return state === 'success' || state === 'inactive';
}

const superseded = { state: 'inactive', description: 'Superseded by a newer commit' } as const;

/** GitHub has no client token for deployments: the intent is saved first, and after a crash it is looked for. */
async function ensureDeployment(run: Run): Promise<void> {
  const sha = deployedSha(run.row.state);
  const begun = run.row.state.deployment;
  if (!sha || (begun?.sha === sha && begun.id !== 0)) return;

  await findBegun(run);
  const existing = run.row.state.deployment;
  if (existing?.sha === sha && existing.id !== 0) return;
  if (existing?.sha !== sha) {
    const before = existing && existing.id !== 0 && existing.state !== 'inactive' ? [existing.id] : [];
    const replaces = bounded([...(existing?.replaces ?? []), ...before]);
    await saveIntent(run, { ...run.row.state, deployment: { id: 0, sha, state: 'pending', replaces } });
  }
  const { deployment: intent } = run.row.state;
  const { id } = await run.world.ports.pullRequests.createDeployment(refOf(run.row), sha, GITHUB_ENVIRONMENT);
  if (intent) setState(run, { ...run.row.state, deployment: { ...intent, id } });
}

/** The first one is what served last; those after it never did, and GitHub shows no link of theirs. */
function bounded([served, ...others]: number[]): number[] {
  return served === undefined ? [] : [served, ...others.slice(1 - MAX_REPLACED_DEPLOYMENTS)];
}

/** The id of a deployment whose making was begun by a run that died. */
async function findBegun(run: Run): Promise<void> {
  const { deployment } = run.row.state;
  if (!deployment?.sha || deployment.id !== 0) return;
  const { findDeployment } = run.world.ports.pullRequests;
  const found = await findDeployment(refOf(run.row), deployment.sha, GITHUB_ENVIRONMENT);
  if (found) setState(run, { ...run.row.state, deployment: { ...deployment, id: found.id } });
}

function setState(run: Run, state: EnvironmentState): void {
  run.row = { ...run.row, state };
}

async function orNobody(
  run: Run,
  toldAnyway: () => EnvironmentState,
  tell: () => Promise<EnvironmentState>,
): Promise<EnvironmentState> {
  const { pull, retries } = run.row.state;
  const isLastWord = pull?.archived === true || (retries['report']?.count ?? 0) + 1 >= REPORT_TRIES;
  try {
    return await tell();
  } catch (error) {
    if (!(error instanceof EphError) || error.kind !== 'permanent') throw error;
    if (isLastWord) return toldAnyway();
    // One refusal may be a moment's: it is asked again a few times before it counts as told.
    throw new EphError('transient', error.code, error.sentence, { cause: error });
  }
}
