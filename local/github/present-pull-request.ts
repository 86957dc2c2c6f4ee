import { authorAssociation } from './author-association.ts';
import type { Account, Comment, GithubState, PullRequest, Repository } from './github-state.ts';
import { type Links, nodeId, pullApi, pullHtml, repositoryApi, timestamp, timestampOrNull } from './links.ts';
import { presentAccount, presentApp } from './present-account.ts';
import { presentRepository } from './present-repository.ts';

type Json = Record<string, unknown>;

/** The form in lists; `presentPullRequest` adds what GitHub computes for a single one. */
export function presentListedPullRequest(
  state: GithubState,
  links: Links,
  repository: Repository,
  pull: PullRequest,
): Json {
  const api = repositoryApi(links, repository);
  const self = pullApi(links, repository, pull);
  const html = pullHtml(links, repository, pull);
  const issue = `${api}/issues/${pull.number}`;
  const headRepository = state.repositories.get(pull.headRepositoryId);
  const statuses = `${api}/statuses/${pull.headSha}`;
  return {
    url: self,
    id: pull.id,
    node_id: nodeId('PR', pull.id),
    html_url: html,
    diff_url: `${html}.diff`,
    patch_url: `${html}.patch`,
    issue_url: issue,
    number: pull.number,
    state: pull.state,
    locked: false,
    title: pull.title,
    user: presentAccount(links, pull.author),
    body: pull.body,
    created_at: timestamp(pull.createdAt),
    updated_at: timestamp(pull.updatedAt),
    closed_at: timestampOrNull(pull.closedAt),
    merged_at: timestampOrNull(pull.mergedAt),
    merge_commit_sha: pull.mergeCommitSha,
    assignee: null,
    assignees: [],
    requested_reviewers: [],
    requested_teams: [],
    labels: [],
    milestone: null,
    draft: pull.draft,
    commits_url: `${self}/commits`,
    review_comments_url: `${self}/comments`,
    review_comment_url: `${api}/pulls/comments{/number}`,
    comments_url: `${issue}/comments`,
    statuses_url: statuses,
    head: presentEnd(links, pull.headOwner, pull.headRef, pull.headSha, headRepository),
    base: presentEnd(links, repository.owner, pull.baseRef, pull.baseSha, repository),
    _links: {
      self: { href: self },
      html: { href: html },
      issue: { href: issue },
      comments: { href: `${issue}/comments` },
      review_comments: { href: `${self}/comments` },
      review_comment: { href: `${api}/pulls/comments{/number}` },
      commits: { href: `${self}/commits` },
      statuses: { href: statuses },
    },
    author_association: authorAssociation(repository, pull.author),
    auto_merge: null,
    active_lock_reason: null,
  };
}

export function presentPullRequest(
  state: GithubState,
  links: Links,
  repository: Repository,
  pull: PullRequest,
): Json {
  const { facts } = pull;
  return {
    ...presentListedPullRequest(state, links, repository, pull),
    merged: pull.mergedAt !== null,
    mergeable: pull.state === 'open' ? facts.mergeable : null,
    rebaseable: pull.state === 'open' ? facts.mergeable : null,
    mergeable_state: mergeableState(pull),
    merged_by: pull.mergedBy ? presentAccount(links, pull.mergedBy) : null,
    comments: pull.comments.length,
    review_comments: 0,
    maintainer_can_modify: false,
    commits: facts.commits,
    additions: facts.additions,
    deletions: facts.deletions,
    changed_files: facts.changedFiles,
  };
}

function mergeableState(pull: PullRequest): string {
  if (pull.draft && pull.state === 'open') return 'draft';
  if (pull.state === 'closed' || pull.facts.mergeable === null) return 'unknown';
  return pull.facts.mergeable ? 'clean' : 'dirty';
}

function presentEnd(
  links: Links,
  owner: Account,
  ref: string,
  sha: string,
  repository: Repository | undefined,
): Json {
  return {
    label: `${owner.login}:${ref}`,
    ref,
    sha,
    user: presentAccount(links, owner),
    repo: repository ? presentRepository(links, repository) : null,
  };
}

/** The pull request in the form of an issue, which it also is. */
export function presentIssue(links: Links, repository: Repository, pull: PullRequest): Json {
  const api = repositoryApi(links, repository);
  const self = `${api}/issues/${pull.number}`;
  const html = pullHtml(links, repository, pull);
  return {
    url: self,
    repository_url: api,
    labels_url: `${self}/labels{/name}`,
    comments_url: `${self}/comments`,
    events_url: `${self}/events`,
    html_url: html,
    id: pull.id + 1,
    node_id: nodeId('PR', pull.id),
    number: pull.number,
    title: pull.title,
    user: presentAccount(links, pull.author),
    labels: [],
    state: pull.state,
    locked: false,
    assignee: null,
    assignees: [],
    milestone: null,
    comments: pull.comments.length,
    created_at: timestamp(pull.createdAt),
    updated_at: timestamp(pull.updatedAt),
    closed_at: timestampOrNull(pull.closedAt),
    author_association: authorAssociation(repository, pull.author),
    active_lock_reason: null,
    draft: pull.draft,
    pull_request: {
      url: pullApi(links, repository, pull),
      html_url: html,
      diff_url: `${html}.diff`,
      patch_url: `${html}.patch`,
      merged_at: timestampOrNull(pull.mergedAt),
    },
    body: pull.body,
    reactions: noReactions(`${self}/reactions`),
    timeline_url: `${self}/timeline`,
    performed_via_github_app: null,
    state_reason: null,
  };
}

export function presentComment(
  links: Links,
  repository: Repository,
  pull: PullRequest,
  comment: Comment,
): Json {
  const api = repositoryApi(links, repository);
  const self = `${api}/issues/comments/${comment.id}`;
  return {
    url: self,
    html_url: `${pullHtml(links, repository, pull)}#issuecomment-${comment.id}`,
    issue_url: `${api}/issues/${pull.number}`,
    id: comment.id,
    node_id: nodeId('IC', comment.id),
    user: presentAccount(links, comment.author),
    created_at: timestamp(comment.createdAt),
    updated_at: timestamp(comment.updatedAt),
    author_association: authorAssociation(repository, comment.author),
    body: comment.body,
    reactions: noReactions(`${self}/reactions`),
    performed_via_github_app: comment.viaApp ? presentApp(links, comment.viaApp) : null,
  };
}

/** The reactions, which are always none here. */
function noReactions(url: string): Json {
  const contents = ['+1', '-1', 'laugh', 'hooray', 'confused', 'heart', 'rocket', 'eyes'];
  return { url, total_count: 0, ...Object.fromEntries(contents.map((content) => [content, 0])) };
}
