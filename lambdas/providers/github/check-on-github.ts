import { MAX_OTHER_COMMENTS, REPORTED_FINAL_AFTER } from './github-limits.ts';
import { bounded, digest, type GithubReported } from './github-reported.ts';
import { commentMarker } from './render-comment.ts';
import { GITHUB_ENVIRONMENT, markOf, type Reporting } from './show-on-github.ts';

type Checking = Omit<Reporting, 'justSaved' | 'lastTry'>;

/**
 * Checks comment, status and deployment on GitHub against what was reported: three calls, and one for each comment and
 * deployment with a call that got no answer. What differs counts as not reported. A time-out does not prove that
 * nothing happened: an old text may replace a new one, a second deployment may be made beside the first, and an ended
 * one may become active again.
 *
 * Neither a report that a person deleted, nor another pull request's status on the same commit, is a difference.
 */
export async function checkOnGithub(checking: Checking): Promise<GithubReported> {
  const { summary, reported, now } = checking;
  // An archived repository cannot be corrected. If it comes back, everything is reported again, with every doubt.
  if (summary.archived) return { ...reported, checked: true };
  const [comment, status, deployment] = await Promise.all([
    checkComment(checking),
    checkStatus(checking),
    checkDeployment(checking),
  ]);
  const seen: GithubReported = {
    ...reported,
    ...(comment && { comment }),
    ...(status && { status }),
    ...(deployment && { deployment }),
  };
  const isSame =
    comment === reported.comment && status === reported.status && deployment === reported.deployment;
  if (!isSame || now() - (reported.at ?? 0) < REPORTED_FINAL_AFTER) return seen;
  return finalized(seen);
}

/** A call without an answer for this long has taken effect, or never will. */
function finalized({ doubtful: _past, comment, ...rest }: GithubReported): GithubReported {
  if (!comment) return { ...rest, checked: true };
  const { doubted: _over, ...certain } = comment;
  return { ...rest, comment: certain, checked: true };
}

async function checkComment(checking: Checking): Promise<GithubReported['comment']> {
  const { wire, ref, reported } = checking;
  const { comment } = reported;
  if (!comment?.id) return comment;
  const [body, others] = await Promise.all([
    comment.shown === undefined ? undefined : wire.readComment(ref, comment.id),
    comment.doubted ? otherComments(checking, comment.id) : [],
  ]);
  const isSame = body === undefined || digest(body) === comment.shown;
  if (isSame && others.length === 0) return comment;
  return { ...comment, ...(isSame ? {} : { digest: '' }), ...(others.length > 0 ? { others } : {}) };
}

async function otherComments({ wire, ref, summary, deploymentId }: Checking, id: number): Promise<number[]> {
  const marker = commentMarker(deploymentId, summary.environment);
  const ours = await wire.findComments(ref, summary.number, marker);
  return ours.filter((other) => other !== id).slice(0, MAX_OTHER_COMMENTS);
}

async function checkStatus({ wire, ref, summary, reported }: Checking): Promise<GithubReported['status']> {
  const { status } = reported;
  if (!status?.sha) return status;
  const now = await wire.readStatus(ref, status.sha);
  const isAnothers = now?.url !== undefined && now.url !== summary.address;
  return !now || isAnothers || digest(now) === status.shown
    ? status
    : { ...status, state: now.state, digest: '' };
}

async function checkDeployment(checking: Checking): Promise<GithubReported['deployment']> {
  const { wire, ref, reported } = checking;
  const { deployment } = reported;
  if (!deployment) return undefined;
  const [state, late] = await Promise.all([
    deployment.id === 0 ? undefined : wire.readDeploymentState(ref, deployment.id),
    lateDeployments(checking),
  ]);
  const isOver = state !== undefined && state !== deployment.state && !deployment.begun;
  if (!isOver && late.length === 0) return deployment;
  const replaces = bounded([...(deployment.replaces ?? []), ...late]);
  return { ...deployment, ...(isOver ? { begun: true } : {}), replaces };
}

/** Deployments that were made, or became active again, after another one had replaced them. */
async function lateDeployments(checking: Checking): Promise<number[]> {
  const { wire, ref, reported } = checking;
  const { id: current, replaces = [], refused = [] } = reported.deployment ?? {};
  const known = [current, ...replaces, ...refused];
  const made = await Promise.all(
    (reported.doubtful ?? []).map((sha) => wire.findDeployments(ref, sha, GITHUB_ENVIRONMENT)),
  );
  const late = made.flat().filter(({ id, mark }) => mark === markOf(checking) && !known.includes(id));
  const states = await Promise.all(late.map(({ id }) => wire.readDeploymentState(ref, id)));
  return late.filter((_one, index) => states[index] !== 'inactive').map(({ id }) => id);
}
