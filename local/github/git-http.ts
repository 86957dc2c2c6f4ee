import { spawn } from 'node:child_process';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { type Actor, accountOf, findRepository, holds, roleOf, tokenCovers } from './access.ts';
import { applyPush } from './apply-push.ts';
import { authenticate } from './authenticate.ts';
import { gitEnvironment } from './git-command.ts';
import type { GitStore } from './git-store.ts';
import type { Github } from './github.ts';
import { GithubError } from './github-error.ts';
import { type Account, atLeast, type Repository } from './github-state.ts';
import { fullName } from './links.ts';

/**
 * git over HTTP: `git http-backend` behind GitHub's access rules.
 *
 * Gotchas
 * - git asks without credentials first and repeats with them after a 401. For a private repository an
 *   anonymous caller gets 401 whether it exists or not; a known caller who may not see it gets 404.
 * - One push at a time per repository: its changes are found by comparing the branches before and after.
 * - The answer to a push waits until the pull requests have been updated, so that the pusher finds them updated.
 */
export interface GitHttp {
  /** Undefined if the path does not belong to git. */
  handle(request: Request): Promise<Response> | undefined;
}

const gitPath = /^\/([^/]+)\/([^/]+?)(?:\.git)?\/(info\/refs|git-upload-pack|git-receive-pack)$/;

export function createGitHttp(github: Github, store: GitStore): GitHttp {
  const pushes = new Map<number, Promise<unknown>>();

  const serve = async (request: Request, owner: string, name: string, service: string): Promise<Response> => {
    const url = new URL(request.url);
    const pushing = service === 'git-receive-pack' || url.searchParams.get('service') === 'git-receive-pack';
    let actor: Actor;
    let repository: Repository;
    try {
      actor = authenticate(github.state, github.now(), request.headers.get('authorization') ?? undefined);
      repository = findRepository(github.state, actor, owner, name).repository;
      authorizeGit(actor, repository, pushing);
    } catch (error) {
      if (!(error instanceof GithubError)) throw error;
      return refusal(error, request.headers.has('authorization'));
    }
    const run = () => runBackend(store.directory(repository.id), service, request, url);
    if (service !== 'git-receive-pack' || actor.kind === 'anonymous') return run();
    const sender = accountOf(actor);
    return oneAtATime(repository.id, () => push(repository, sender, run));
  };

  const push = async (
    repository: Repository,
    sender: Account,
    run: () => Promise<Response>,
  ): Promise<Response> => {
    const response = await run();
    const answer = await response.arrayBuffer();
    await applyPush(github, store, repository, sender);
    return new Response(answer, { status: response.status, headers: response.headers });
  };

  const oneAtATime = <T>(id: number, work: () => Promise<T>): Promise<T> => {
    const turn = (pushes.get(id) ?? Promise.resolve()).then(work, work);
    pushes.set(
      id,
      turn.catch(() => undefined),
    );
    return turn;
  };

  return {
    handle(request) {
      const [, owner, name, service] = gitPath.exec(new URL(request.url).pathname) ?? [];
      return owner && name && service ? serve(request, owner, name, service) : undefined;
    },
  };
}

function authorizeGit(actor: Actor, repository: Repository, pushing: boolean): void {
  if (actor.kind === 'app') throw new GithubError(403, 'Write access to repository not granted.');
  if (actor.kind === 'installation') {
    const reads = !repository.private && !pushing;
    const granted =
      tokenCovers(actor, repository) &&
      holds(actor.token.permissions, pushing ? 'contents:write' : 'contents:read');
    if (!reads && !granted) throw new GithubError(403, 'Write access to repository not granted.');
  }
  if (!pushing) return;
  if (actor.kind === 'anonymous') throw new GithubError(401, 'Requires authentication');
  if (actor.kind === 'user' && !atLeast(roleOf(actor.account, repository), 'write')) {
    throw new GithubError(403, `Permission to ${fullName(repository)}.git denied to ${actor.account.login}.`);
  }
  if (repository.archived) throw new GithubError(403, 'This repository was archived so it is read-only.');
}

function refusal(error: GithubError, known: boolean): Response {
  const status = !known && error.status === 404 ? 401 : error.status;
  const headers: Record<string, string> = { 'content-type': 'text/plain' };
  if (status === 401) headers['www-authenticate'] = 'Basic realm="GitHub"';
  const text = error.status === 404 ? 'Repository not found.' : error.message;
  return new Response(`${text}\n`, { status, headers });
}

/** One CGI run of `git http-backend`, which finds the repository by GIT_PROJECT_ROOT + PATH_INFO. */
function runBackend(directory: string, service: string, request: Request, url: URL): Promise<Response> {
  const child = spawn('git', ['http-backend'], {
    env: {
      ...gitEnvironment,
      GIT_PROJECT_ROOT: directory,
      GIT_HTTP_EXPORT_ALL: '1',
      PATH_INFO: `/${service}`,
      QUERY_STRING: url.search.slice(1),
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: request.headers.get('content-type') ?? '',
      GIT_PROTOCOL: request.headers.get('git-protocol') ?? '',
      REMOTE_USER: 'git',
      REMOTE_ADDR: '127.0.0.1',
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.on('error', () => undefined);
  if (request.body) {
    const body = Readable.fromWeb(request.body);
    const packed = request.headers.get('content-encoding') === 'gzip';
    (packed ? body.pipe(createGunzip()) : body).pipe(child.stdin);
  } else child.stdin.end();
  return readCgi(child.stdout);
}

function readCgi(output: Readable): Promise<Response> {
  return new Promise((resolve, reject) => {
    let head = Buffer.alloc(0);
    const onData = (chunk: Buffer) => {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return;
      output.off('data', onData);
      output.pause();
      output.unshift(head.subarray(end + 4));
      resolve(toResponse(head.subarray(0, end).toString('utf8'), output));
    };
    output.on('data', onData);
    output.on('error', reject);
    output.on('end', () => reject(new Error('git http-backend ended without an answer')));
  });
}

function toResponse(head: string, body: Readable): Response {
  const headers = new Headers();
  let status = 200;
  for (const line of head.split('\r\n')) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    if (name === 'status') status = Number.parseInt(value, 10);
    else headers.set(name, value);
  }
  return new Response(Readable.toWeb(body) as ReadableStream<Uint8Array>, { status, headers });
}
