import { type Actor, holds, roleOf } from './access.ts';
import { atLeast, type Repository, type Role } from './github-state.ts';
import { fullName, type Links, nodeId, repositoryApi, repositoryHtml, timestamp } from './links.ts';
import { presentAccount, presentOrganization } from './present-account.ts';

type Json = Record<string, unknown>;

export function presentRepository(links: Links, repository: Repository): Json {
  const open = [...repository.pulls.values()].filter((pull) => pull.state === 'open').length;
  return {
    ...presentIdentity(links, repository),
    ...presentAddresses(links, repository),
    created_at: timestamp(repository.createdAt),
    updated_at: timestamp(repository.updatedAt),
    pushed_at: timestamp(repository.pushedAt),
    homepage: null,
    size: 0,
    stargazers_count: 0,
    watchers_count: 0,
    language: null,
    has_issues: true,
    has_projects: true,
    has_downloads: true,
    has_wiki: true,
    has_pages: false,
    has_discussions: false,
    forks_count: 0,
    mirror_url: null,
    archived: repository.archived,
    disabled: false,
    open_issues_count: open,
    license: null,
    allow_forking: true,
    allow_squash_merge: true,
    allow_merge_commit: true,
    allow_rebase_merge: true,
    delete_branch_on_merge: false,
    custom_properties: {},
    is_template: false,
    web_commit_signoff_required: false,
    topics: [],
    visibility: repository.private ? 'private' : 'public',
    forks: 0,
    open_issues: open,
    watchers: 0,
    default_branch: repository.defaultBranch,
  };
}

/** `GET /repos/{owner}/{repo}`: with what the caller may do, and where it was forked from. */
export function presentFullRepository(
  links: Links,
  repository: Repository,
  actor: Actor,
  parent: Repository | undefined,
): Json {
  return {
    ...presentRepository(links, repository),
    permissions: presentPermissions(repository, actor),
    network_count: 0,
    subscribers_count: 0,
    ...(repository.owner.type === 'Organization'
      ? { organization: presentAccount(links, repository.owner) }
      : {}),
    ...(parent ? { parent: presentRepository(links, parent), source: presentRepository(links, parent) } : {}),
  };
}

/** The short form inside installation events. */
export function presentRepositoryName(repository: Repository): Json {
  return {
    id: repository.id,
    node_id: nodeId('R', repository.id),
    name: repository.name,
    full_name: fullName(repository),
    private: repository.private,
  };
}

/** In payloads about repositories of organisations. */
export function organizationOf(links: Links, repository: Repository): Json {
  return repository.owner.type === 'Organization'
    ? { organization: presentOrganization(links, repository.owner) }
    : {};
}

export function presentRole(role: Role): Json {
  return {
    admin: atLeast(role, 'admin'),
    maintain: atLeast(role, 'maintain'),
    push: atLeast(role, 'write'),
    triage: atLeast(role, 'triage'),
    pull: atLeast(role, 'read'),
  };
}

function presentPermissions(repository: Repository, actor: Actor): Json {
  if (actor.kind === 'user') return presentRole(roleOf(actor.account, repository));
  const writes = actor.kind === 'installation' && holds(actor.token.permissions, 'contents:write');
  return presentRole(writes ? 'write' : 'read');
}

function presentIdentity(links: Links, repository: Repository): Json {
  return {
    id: repository.id,
    node_id: nodeId('R', repository.id),
    name: repository.name,
    full_name: fullName(repository),
    private: repository.private,
    owner: presentAccount(links, repository.owner),
    html_url: repositoryHtml(links, repository),
    description: repository.description,
    fork: repository.parentId !== null,
    url: repositoryApi(links, repository),
  };
}

function presentAddresses(links: Links, repository: Repository): Json {
  const api = repositoryApi(links, repository);
  const name = fullName(repository);
  const host = new URL(links.html).host;
  return {
    forks_url: `${api}/forks`,
    keys_url: `${api}/keys{/key_id}`,
    collaborators_url: `${api}/collaborators{/collaborator}`,
    teams_url: `${api}/teams`,
    hooks_url: `${api}/hooks`,
    issue_events_url: `${api}/issues/events{/number}`,
    events_url: `${api}/events`,
    assignees_url: `${api}/assignees{/user}`,
    branches_url: `${api}/branches{/branch}`,
    tags_url: `${api}/tags`,
    blobs_url: `${api}/git/blobs{/sha}`,
    git_tags_url: `${api}/git/tags{/sha}`,
    git_refs_url: `${api}/git/refs{/sha}`,
    trees_url: `${api}/git/trees{/sha}`,
    statuses_url: `${api}/statuses/{sha}`,
    languages_url: `${api}/languages`,
    stargazers_url: `${api}/stargazers`,
    contributors_url: `${api}/contributors`,
    subscribers_url: `${api}/subscribers`,
    subscription_url: `${api}/subscription`,
    commits_url: `${api}/commits{/sha}`,
    git_commits_url: `${api}/git/commits{/sha}`,
    comments_url: `${api}/comments{/number}`,
    issue_comment_url: `${api}/issues/comments{/number}`,
    contents_url: `${api}/contents/{+path}`,
    compare_url: `${api}/compare/{base}...{head}`,
    merges_url: `${api}/merges`,
    archive_url: `${api}/{archive_format}{/ref}`,
    downloads_url: `${api}/downloads`,
    issues_url: `${api}/issues{/number}`,
    pulls_url: `${api}/pulls{/number}`,
    milestones_url: `${api}/milestones{/number}`,
    notifications_url: `${api}/notifications{?since,all,participating}`,
    labels_url: `${api}/labels{/name}`,
    releases_url: `${api}/releases{/id}`,
    deployments_url: `${api}/deployments`,
    git_url: `git://${host}/${name}.git`,
    ssh_url: `git@${host}:${name}.git`,
    clone_url: `${links.reachable}/${name}.git`,
    svn_url: `${links.html}/${name}`,
  };
}
