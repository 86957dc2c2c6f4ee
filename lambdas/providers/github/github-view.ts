import type { Summary } from '#core/summary';
import { digest, type GithubReported } from './github-reported.ts';
import type { DeploymentStatusToSet, StatusToSet } from './github-wire.ts';
import { commentMarker, renderComment } from './render-comment.ts';
import { renderDeployment } from './render-deployment.ts';
import { renderStatus } from './render-status.ts';

/** What people should see on GitHub. */
export interface GithubView {
  marker: string;
  /** Undefined: make no new comment (a draft, an unlisted repository), but keep an existing one correct. */
  comment?: string;
  status?: StatusToSet;
  deployment: DeploymentStatusToSet;
}

export function viewOf(summary: Summary, reported: GithubReported, deploymentId: string): GithubView {
  const marker = commentMarker(deploymentId, summary.environment);
  const isSilent = summary.quiet && reported.comment === undefined;
  const status = renderStatus(summary, reported);
  return {
    marker,
    ...(isSilent ? {} : { comment: commentOf(summary, marker) }),
    ...(status ? { status } : {}),
    deployment: renderDeployment(summary),
  };
}

/** Caches the text of a summary for as long as the summary exists: it is needed before and after each report. */
const comments = new WeakMap<Summary, { marker: string; text: string }>();

function commentOf(summary: Summary, marker: string): string {
  const known = comments.get(summary);
  if (known?.marker === marker) return known.text;
  const text = renderComment(summary, marker);
  comments.set(summary, { marker, text });
  return text;
}

export type Part = 'deployment' | 'comment' | 'status';

/** The part that is reported next: the deployment comes first, since a comment may link to it. */
export function partDue(summary: Summary, reported: GithubReported, view: GithubView): Part | undefined {
  if (isDeploymentDue(summary, reported, view)) return 'deployment';
  if (isCommentDue(reported, view)) return 'comment';
  return isStatusDue(summary, reported, view) ? 'status' : undefined;
}

/** Once one of these states is reported, earlier deployments are over. */
export function endsOthers({ state }: { state: DeploymentStatusToSet['state'] }): boolean {
  return state === 'success' || state === 'inactive';
}

function isDeploymentDue(summary: Summary, { deployment }: GithubReported, view: GithubView): boolean {
  const { state } = view.deployment;
  if (state === 'inactive' && !deployment) return false;
  if (deployment?.state !== state || (state !== 'inactive' && deployment.sha !== summary.deployed))
    return true;
  if (deployment.begun) return true;
  return endsOthers(deployment) && deployment.replaces !== undefined && deployment.replaces.length > 0;
}

function isCommentDue({ comment: reported }: GithubReported, { comment }: GithubView): boolean {
  if (comment === undefined) return false;
  return reported?.digest !== digest(comment) || (reported.others?.length ?? 0) > 0;
}

function isStatusDue({ commit }: Summary, reported: GithubReported, { status }: GithubView): boolean {
  return (
    status !== undefined && (reported.status?.sha !== commit || reported.status.digest !== digest(status))
  );
}
