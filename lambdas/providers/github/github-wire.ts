import type { PullAnswer, PullQuestion, RepositoryRef } from '../../ports.ts';
import type { DeliveryAttempt } from './undelivered.ts';

/**
 * GitHub, one call of ours at a time.
 *
 * What GitHub refuses for good is permanent (`github_403`, ...); what it refuses because the App has lost the
 * repository is transient (`github_no_access`): the next question finds the proof, and what was to be told is
 * told when access comes back.
 */
export interface GithubWire extends GithubFiles, GithubReports, GithubDeliveries {
  read(question: NumberedQuestion): Promise<PullAnswer>;
}

export type NumberedQuestion = PullQuestion & { number: number };

export interface GithubFiles {
  /** Names of what lies in the root of the repository at a commit. */
  readRoot(ref: RepositoryRef, sha: string): Promise<string[]>;
  /** Text of a file that is there at a commit; undefined for a folder. */
  readFile(ref: RepositoryRef, sha: string, path: string): Promise<string | undefined>;
  /** GitHub's temporary address of the archive; the redirect is not followed. */
  archiveUrl(ref: RepositoryRef, sha: string): Promise<string>;
  /** Read-only, this repository only, one hour. */
  checkoutToken(ref: RepositoryRef): Promise<{ url: string; token: string }>;
}

export interface GithubReports {
  /**
   * By id, else by marker and our own authorship, else a new one, if it may be. With the body as GitHub has it now;
   * undefined: there is no comment.
   */
  upsertComment(
    ref: RepositoryRef,
    number: number,
    comment: CommentToWrite,
  ): Promise<{ id: number; body: string | undefined }>;
  /** By marker and our own authorship, oldest first. */
  findComments(ref: RepositoryRef, number: number, marker: string): Promise<number[]>;
  /** One that is not there any more is no error. */
  deleteComment(ref: RepositoryRef, id: number): Promise<void>;
  /** Undefined: there is none of that id any more. */
  readComment(ref: RepositoryRef, id: number): Promise<string | undefined>;
  /** Is the commit the head of a merge queue's branch? */
  isInMergeQueue(ref: RepositoryRef, sha: string): Promise<boolean>;
  /** Open pull requests of this repository whose head the commit is. */
  openPullsOf(ref: RepositoryRef, sha: string): Promise<number[]>;
  /** As GitHub has it now. */
  setStatus(ref: RepositoryRef, sha: string, status: StatusToSet): Promise<StatusToSet>;
  /** Ours that counts on this commit, whichever pull request said it. */
  readStatus(ref: RepositoryRef, sha: string): Promise<StatusToSet | undefined>;
  /** The deployments we made for this commit, newest first: for those whose answer was lost. */
  findDeployments(ref: RepositoryRef, sha: string, environment: string): Promise<MadeDeployment[]>;
  createDeployment(
    ref: RepositoryRef,
    sha: string,
    environment: string,
    mark: string,
  ): Promise<{ id: number }>;
  /** Undefined: nothing was said of it, or there is no such deployment. */
  readDeploymentState(ref: RepositoryRef, deploymentId: number): Promise<string | undefined>;
  setDeploymentStatus(ref: RepositoryRef, deploymentId: number, status: DeploymentStatusToSet): Promise<void>;
}

export interface GithubDeliveries {
  /** A page of what GitHub tried to deliver to the App's webhook, newest first, and how to ask for the next. */
  deliveries(cursor: string | undefined): Promise<{ attempts: DeliveryAttempt[]; next: string | undefined }>;
  redeliver(deliveryId: string): Promise<void>;
}

export interface CommentToWrite {
  commentId: number | undefined;
  marker: string;
  body: string;
  /** False: where there is none any more, none is made. */
  mayCreate: boolean;
}

export interface MadeDeployment {
  id: number;
  /** In its description, whose it is; several pull requests may have one commit. Older ones were made without it. */
  mark: string | undefined;
}

export type StatusState = 'pending' | 'success' | 'failure' | 'error';

export interface StatusToSet {
  state: StatusState;
  /** At most 140 characters. */
  description: string;
  url?: string;
}

export type DeploymentState = 'pending' | 'in_progress' | 'success' | 'failure' | 'inactive';

export interface DeploymentStatusToSet {
  state: DeploymentState;
  /** At most 140 characters. */
  description: string;
  url?: string;
}
