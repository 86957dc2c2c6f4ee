import type { Account, App } from './github-state.ts';
import { type Links, nodeId, timestamp } from './links.ts';

type Json = Record<string, unknown>;

export function presentAccount(links: Links, account: Account): Json {
  const name = encodeURIComponent(account.login);
  const api = `${links.api}/users/${name}`;
  return {
    login: account.login,
    id: account.id,
    node_id: nodeId(account.type === 'Organization' ? 'O' : account.type === 'Bot' ? 'BOT' : 'U', account.id),
    avatar_url: `${links.html}/_avatars/${account.id}`,
    gravatar_id: '',
    url: api,
    html_url:
      account.type === 'Bot'
        ? `${links.html}/apps/${account.login.replace('[bot]', '')}`
        : `${links.html}/${name}`,
    followers_url: `${api}/followers`,
    following_url: `${api}/following{/other_user}`,
    gists_url: `${api}/gists{/gist_id}`,
    starred_url: `${api}/starred{/owner}{/repo}`,
    subscriptions_url: `${api}/subscriptions`,
    organizations_url: `${api}/orgs`,
    repos_url: `${api}/repos`,
    events_url: `${api}/events{/privacy}`,
    received_events_url: `${api}/received_events`,
    type: account.type,
    user_view_type: 'public',
    site_admin: false,
  };
}

/** `GET /user`, `GET /users/{username}`. */
export function presentProfile(links: Links, account: Account, repositories: number): Json {
  return {
    ...presentAccount(links, account),
    name: account.login,
    company: null,
    blog: '',
    location: null,
    email: null,
    hireable: null,
    bio: null,
    twitter_username: null,
    public_repos: repositories,
    public_gists: 0,
    followers: 0,
    following: 0,
    created_at: timestamp(account.createdAt),
    updated_at: timestamp(account.createdAt),
  };
}

export function presentOrganization(links: Links, account: Account): Json {
  const api = `${links.api}/orgs/${account.login}`;
  return {
    login: account.login,
    id: account.id,
    node_id: nodeId('O', account.id),
    url: api,
    repos_url: `${api}/repos`,
    events_url: `${api}/events`,
    hooks_url: `${api}/hooks`,
    issues_url: `${api}/issues`,
    members_url: `${api}/members{/member}`,
    public_members_url: `${api}/public_members{/member}`,
    avatar_url: `${links.html}/_avatars/${account.id}`,
    description: '',
  };
}

export function presentApp(links: Links, app: App, installations?: number): Json {
  return {
    id: app.id,
    client_id: app.clientId,
    slug: app.slug,
    node_id: nodeId('A', app.id),
    owner: presentAccount(links, app.owner),
    name: app.name,
    description: null,
    external_url: app.externalUrl,
    html_url: `${links.html}/apps/${app.slug}`,
    created_at: timestamp(app.createdAt),
    updated_at: timestamp(app.createdAt),
    permissions: app.permissions,
    events: app.events,
    ...(installations === undefined ? {} : { installations_count: installations }),
  };
}
