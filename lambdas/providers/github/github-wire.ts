import type { PullAnswer, PullQuestion, RepositoryRef } from '../../ports.ts';
import type { DeliveryAttempt } from './undelivered.ts';

/**
 * GitHub, one call of ours at a time.
 *
 * What GitHub refuses for good is permanent (`github_403`, ...); what it refuses because the App has lost the
 * repository is transient (`github_no_access`): the next question finds the proof, and what was to be told is
 * told when access comes back.
 */
export interface GithubWire extends GithubFiles, GithubWords, GithubDeliveries {
  read(question: PullQuestion): Promise<PullAnswer>;
}

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

export interface GithubWords {
  /** By id, else by marker and our own authorship, else a new one, if it may be. */
  upsertComment(ref: RepositoryRef, number: number, comment: CommentToWrite): Promise<{ id: number }>;
  /** Is the commit the head of a merge queue's branch? */
  isInMergeQueue(ref: RepositoryRef, sha: string): Promise<boolean>;
  /** Open pull requests of this repository whose head the commit is. */
  openPullsOf(ref: RepositoryRef, sha: string): Promise<number[]>;
  setStatus(ref: RepositoryRef, sha: string, status: StatusToSet): Promise<void>;
  /** The deployment we made for this commit, if any: for one whose answer was lost. */
  findDeployment(ref: RepositoryRef, sha: string, environment: string): Promise<{ id: number } | undefined>;
  createDeployment(ref: RepositoryRef, sha: string, environment: string): Promise<{ id: number }>;
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
