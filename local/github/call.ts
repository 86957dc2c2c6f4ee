import { type Actor, accountOf, authorize, findRepository, findRepositoryById, type Need } from './access.ts';
import { setHead } from './apply-push.ts';
import type { Archives } from './archives.ts';
import type { GitStore } from './git-store.ts';
import type { Github } from './github.ts';
import { GithubError } from './github-error.ts';
import type { Account, App, PullRequest, Repository } from './github-state.ts';
import type { RequestBody } from './request-body.ts';

/** One API request after parsing: the caller, the operation and its input. */
export interface Call {
  github: Github;
  store: GitStore;
  archives: Archives;
  actor: Actor;
  method: string;
  /** The media types that the caller accepts; with `raw` the answer is only a file's content. */
  accept: string;
  path: Record<string, string>;
  query: Record<string, string>;
  body: RequestBody;
  /** The full address, for `Link` headers and redirects. */
  url: URL;
}

export interface Reply {
  status: number;
  body?: unknown;
  /** The answer's text instead of a JSON body. */
  text?: Uint8Array<ArrayBuffer>;
  headers?: Record<string, string>;
}

export type Operation = (call: Call) => Reply | Promise<Reply>;

export interface RepositoryCall extends Call {
  repository: Repository;
  /** The account in whose name the call writes. @throws 401 for an anonymous caller. */
  sender(): Account;
}

export interface AppCall extends Call {
  app: App;
}

/** Operations by their `operationId` in GitHub's description. */
export type Operations = Record<string, Operation>;

/**
 * An operation on `/repos/{owner}/{repo}`: finds the repository (404, or a redirect for a former name) and
 * checks that the caller may (403).
 */
export function onRepository(need: Need, run: (call: RepositoryCall) => Reply | Promise<Reply>): Operation {
  return (call) => {
    const { repository, moved } = repositoryOf(call);
    if (moved) return redirectTo(call, repository);
    authorize(call.actor, repository, need);
    return run({ ...call, repository, sender: () => accountOf(call.actor) });
  };
}

/** Reading with any one of these permissions. */
export function reading(...names: string[]): Need {
  return { grants: names.map((name) => `${name}:read` as const), role: 'read', writes: false };
}

/** Writing with any one of these permissions; a person needs `role`. */
export function writing(role: Need['role'], ...names: string[]): Need {
  return { grants: names.map((name) => `${name}:write` as const), role, writes: true };
}

/** @throws 403 unless the caller is the App itself, with its web token. */
export function asApp(run: (call: AppCall) => Reply | Promise<Reply>): Operation {
  return (call) => {
    if (call.actor.kind !== 'app') throw new GithubError(401, 'A JSON web token could not be decoded');
    return run({ ...call, app: call.actor.app });
  };
}

export function ok(body: unknown): Reply {
  return { status: 200, body };
}

export function created(body: unknown): Reply {
  return { status: 201, body };
}

export const noContent: Reply = { status: 204 };

const MAX_PAGE = 100;
const DEFAULT_PAGE = 30;

/** Reads `per_page` and `page`, and makes the `Link` header that clients follow. */
export function page<T>(call: Call, items: readonly T[]): { items: T[]; headers: Record<string, string> } {
  const size = Math.min(MAX_PAGE, positive(call.query['per_page'], DEFAULT_PAGE));
  const number = positive(call.query['page'], 1);
  const last = Math.max(1, Math.ceil(items.length / size));
  const link = (to: number, rel: string) => {
    const url = new URL(call.url);
    url.searchParams.set('page', String(to));
    return `<${url}>; rel="${rel}"`;
  };
  const links = [
    ...(number > 1 ? [link(number - 1, 'prev'), link(1, 'first')] : []),
    ...(number < last ? [link(number + 1, 'next'), link(last, 'last')] : []),
  ];
  return {
    items: items.slice((number - 1) * size, number * size),
    headers: links.length > 0 ? { link: links.join(', ') } : {},
  };
}

export function okPage<T>(call: Call, items: readonly T[], present: (item: T) => unknown): Reply {
  const { items: shown, headers } = page(call, items);
  return { status: 200, body: shown.map(present), headers };
}

export function pullOf(call: RepositoryCall, name: 'pull_number' | 'issue_number'): PullRequest {
  return call.github.pulls.get(call.repository, Number(call.path[name]));
}

/** Opening a pull request also makes `refs/pull/N/head`. */
export async function showHead(call: RepositoryCall, pull: PullRequest): Promise<void> {
  await setHead(call.store, call.repository, pull, pull.headSha);
}

/** `ref` -> commit. @throws 404 or, with a field named, 422 */
export async function commitOf(call: RepositoryCall, ref: string): Promise<string> {
  const sha = await call.store.resolve(call.repository.id, ref);
  if (!sha) throw new GithubError(422, `No commit found for SHA: ${ref}`);
  return sha;
}

function repositoryOf(call: Call): { repository: Repository; moved: boolean } {
  const { owner = '', repo = '', repository_id: id } = call.path;
  const { state } = call.github;
  if (id !== undefined)
    return { repository: findRepositoryById(state, call.actor, Number(id)), moved: false };
  return findRepository(state, call.actor, owner, repo);
}

/** A renamed or transferred repository answers with its address by id, which never changes. */
function redirectTo(call: Call, repository: Repository): Reply {
  const rest = call.url.pathname.split('/repos/')[1]?.split('/').slice(2).join('/') ?? '';
  const path = `/repositories/${repository.id}${rest ? `/${rest}` : ''}`;
  const url = `${call.github.links.api}${path}${call.url.search}`;
  const status = call.method === 'GET' ? 301 : 307;
  const documentation =
    'https://docs.github.com/rest/using-the-rest-api/best-practices-for-using-the-rest-api';
  return {
    status,
    headers: { location: url },
    body: {
      message: status === 301 ? 'Moved Permanently' : 'Temporary Redirect',
      url,
      documentation_url: documentation,
    },
  };
}

function positive(text: string | undefined, otherwise: number): number {
  const value = Number(text);
  return Number.isInteger(value) && value > 0 ? value : otherwise;
}
