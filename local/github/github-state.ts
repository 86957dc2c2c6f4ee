/** GitHub's data. Only the state machine's own files write to it. */
export type Role = 'none' | 'read' | 'triage' | 'write' | 'maintain' | 'admin';

const ranks: readonly Role[] = ['none', 'read', 'triage', 'write', 'maintain', 'admin'];

export function atLeast(role: Role, wanted: Role): boolean {
  return ranks.indexOf(role) >= ranks.indexOf(wanted);
}

export interface Account {
  id: number;
  login: string;
  type: 'User' | 'Organization' | 'Bot';
  createdAt: number;
  /** For an organisation, the role of each member on all of its repositories. */
  members: Map<number, Role>;
}

export interface Comment {
  id: number;
  body: string;
  author: Account;
  viaApp: App | null;
  createdAt: number;
  updatedAt: number;
}

/** The facts of git about the difference between head and base. */
export interface PullFacts {
  commits: number;
  additions: number;
  deletions: number;
  changedFiles: number;
  /** null while GitHub has not computed it yet. */
  mergeable: boolean | null;
}

export interface PullRequest {
  id: number;
  repositoryId: number;
  number: number;
  title: string;
  body: string | null;
  state: 'open' | 'closed';
  draft: boolean;
  author: Account;
  headOwner: Account;
  /** The fork may be gone by now: then `head.repo` is null. */
  headRepositoryId: number;
  headRef: string;
  headSha: string;
  baseRef: string;
  baseSha: string;
  createdAt: number;
  updatedAt: number;
  closedAt: number | null;
  mergedAt: number | null;
  mergedBy: Account | null;
  mergeCommitSha: string | null;
  comments: Comment[];
  facts: PullFacts;
}

export interface CommitStatus {
  id: number;
  sha: string;
  state: 'error' | 'failure' | 'pending' | 'success';
  context: string;
  description: string | null;
  targetUrl: string | null;
  creator: Account;
  createdAt: number;
}

export type DeploymentState =
  | 'error'
  | 'failure'
  | 'inactive'
  | 'in_progress'
  | 'queued'
  | 'pending'
  | 'success';

export interface DeploymentStatus {
  id: number;
  state: DeploymentState;
  description: string;
  environment: string;
  environmentUrl: string;
  logUrl: string;
  creator: Account;
  createdAt: number;
}

export interface Deployment {
  id: number;
  sha: string;
  ref: string;
  task: string;
  environment: string;
  description: string | null;
  payload: string | Record<string, unknown>;
  transient: boolean;
  production: boolean;
  creator: Account;
  viaApp: App | null;
  createdAt: number;
  updatedAt: number;
  /** Oldest first. */
  statuses: DeploymentStatus[];
}

export interface Repository {
  id: number;
  owner: Account;
  name: string;
  private: boolean;
  archived: boolean;
  description: string | null;
  defaultBranch: string;
  parentId: number | null;
  createdAt: number;
  updatedAt: number;
  pushedAt: number;
  /** Branch name -> commit. `recordPush` keeps it equal to git. */
  branches: Map<string, string>;
  pulls: Map<number, PullRequest>;
  statuses: CommitStatus[];
  deployments: Deployment[];
}

/** `pull_requests` -> `write`. */
export type Permissions = Record<string, 'read' | 'write'>;

export interface Installation {
  id: number;
  app: App;
  account: Account;
  selection: 'all' | 'selected';
  /** With selection `selected` only. */
  repositoryIds: Set<number>;
  permissions: Permissions;
  events: string[];
  createdAt: number;
  updatedAt: number;
  suspendedAt: number | null;
  suspendedBy: Account | null;
}

export interface InstallationToken {
  token: string;
  installationId: number;
  /** Undefined means all repositories of the installation. */
  repositoryIds: Set<number> | undefined;
  permissions: Permissions;
  expiresAt: number;
}

export interface App {
  id: number;
  clientId: string;
  slug: string;
  name: string;
  externalUrl: string;
  owner: Account;
  /** Whether other accounts than the owner may install it. */
  public: boolean;
  /** SPKI PEM; each is valid for the signatures of its JSON web tokens. */
  publicKeys: string[];
  webhookSecret: string;
  hookUrl: string | undefined;
  bot: Account;
  permissions: Permissions;
  events: string[];
  createdAt: number;
}

export interface DeliveryOutcome {
  /** What GitHub shows: `OK`, `Invalid HTTP Response: 500`, `timed out`, `failed to connect to host`. */
  status: string;
  /** The status of the answer; 502 if the host was not reached, 0 if it did not answer in time. */
  statusCode: number;
  durationSeconds: number;
  headers: Record<string, string>;
  body: string;
}

export interface Delivery {
  /** 19 digits: more than a double holds. */
  id: bigint;
  app: App;
  guid: string;
  event: string;
  action: string | null;
  installationId: number | null;
  repositoryId: number | null;
  redelivery: boolean;
  url: string;
  headers: Record<string, string>;
  /** The exact bytes that were signed. */
  body: string;
  deliveredAt: number;
  /** Undefined while it is being sent. */
  outcome: DeliveryOutcome | undefined;
}

export interface GithubState {
  /** The App that exists from the start. */
  app: App;
  /** All Apps, including those that people register. */
  apps: Map<number, App>;
  accounts: Map<number, Account>;
  /** Personal access tokens. */
  tokens: Map<string, Account>;
  repositories: Map<number, Repository>;
  /** Former `owner/name` (lower case) -> id: GitHub redirects. */
  moved: Map<string, number>;
  installations: Map<number, Installation>;
  installationTokens: Map<string, InstallationToken>;
  /** Oldest first. */
  deliveries: Delivery[];
}
