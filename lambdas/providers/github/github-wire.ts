import type { PullAnswer, PullQuestion, RepositoryRef } from '../../ports.ts';
import type { DeliveryAttempt } from './undelivered.ts';

/**
 * GitHub, one call of ours at a time.
 *
 * A final refusal of GitHub is permanent (`github_403`, ...). A refusal because the App has lost the repository is
 * transient (`github_no_access`): the next question finds the proof, and the report is made when access comes back.
 */
export interface GithubWire extends GithubFiles, GithubReports, GithubDeliveries {
  read(question: NumberedQuestion): Promise<PullAnswer>;
}

export type NumberedQuestion = PullQuestion & { number: number };

export interface GithubFiles {
  /** Names of the files and folders in the root of the repository at a commit. */
  readRoot(ref: RepositoryRef, sha: string): Promise<string[]>;
  /** Text of a file that exists at a commit; undefined for a folder. */
  readFile(ref: RepositoryRef, sha: string, path: string): Promise<string | undefined>;
  /** GitHub's temporary address of the archive; the redirect is not followed. */
  archiveUrl(ref: RepositoryRef, sha: string): Promise<string>;
  /** Read-only, for this repository only, for one hour. */
  checkoutToken(ref: RepositoryRef): Promise<{ url: string; token: string }>;
}

export interface GithubReports {
  /**
   * Finds the comment by id, else by marker and our own authorship, else makes a new one if that is allowed. Returns
   * the body as GitHub has it now; undefined: there is no comment.
   */
  upsertComment(
    ref: RepositoryRef,
    number: number,
    comment: CommentToWrite,
  ): Promise<{ id: number; body: string | undefined }>;
  /** Finds comments by marker and our own authorship, oldest first. */
  findComments(ref: RepositoryRef, number: number, marker: string): Promise<number[]>;
  /** If the comment does not exist any more, that is no error. */
  deleteComment(ref: RepositoryRef, id: number): Promise<void>;
  /** Undefined: no comment of that id exists any more. */
  readComment(ref: RepositoryRef, id: number): Promise<string | undefined>;
  /** Is the commit the head of a merge queue's branch? */
  isInMergeQueue(ref: RepositoryRef, sha: string): Promise<boolean>;
  /** Open pull requests of this repository whose head is the commit. */
  openPullsOf(ref: RepositoryRef, sha: string): Promise<number[]>;
  /** Returns the status as GitHub has it now. */
  setStatus(ref: RepositoryRef, sha: string, status: StatusToSet): Promise<StatusToSet>;
  /** Our status that counts on this commit, whichever pull request set it. */
  readStatus(ref: RepositoryRef, sha: string): Promise<StatusToSet | undefined>;
  /** The deployments that Eph made for this commit, newest first: for those whose answer was lost. */
  findDeployments(ref: RepositoryRef, sha: string, environment: string): Promise<MadeDeployment[]>;
  createDeployment(
    ref: RepositoryRef,
    sha: string,
    environment: string,
    mark: string,
  ): Promise<{ id: number }>;
  /** Undefined: it has no state yet, or there is no such deployment. */
  readDeploymentState(ref: RepositoryRef, deploymentId: number): Promise<string | undefined>;
  setDeploymentStatus(ref: RepositoryRef, deploymentId: number, status: DeploymentStatusToSet): Promise<void>;
}

export interface GithubDeliveries {
  /** A page of what GitHub tried to deliver to the App's webhook, newest first, and the cursor of the next page. */
  deliveries(cursor: string | undefined): Promise<{ attempts: DeliveryAttempt[]; next: string | undefined }>;
  redeliver(deliveryId: string): Promise<void>;
}

export interface CommentToWrite {
  commentId: number | undefined;
  marker: string;
  body: string;
  /** False: if there is no comment any more, none is made. */
  mayCreate: boolean;
}

export interface MadeDeployment {
  id: number;
  /** The mark in its description: several pull requests may have one commit. Older deployments were made without it. */
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
