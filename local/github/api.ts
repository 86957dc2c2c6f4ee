import { describeProblems, type OpenApiProblem, type OpenApiValidator } from '../openapi.ts';
import { type WireLog, wireQuery } from '../wire-log.ts';
import type { Actor } from './access.ts';
import type { Archives } from './archives.ts';
import { authenticate } from './authenticate.ts';
import type { Call, Operation, Operations, Reply } from './call.ts';
import { describedPath } from './described-path.ts';
import type { GitStore } from './git-store.ts';
import type { Github } from './github.ts';
import { GithubError, notFound } from './github-error.ts';
import { appOperations, callerName } from './operations-apps.ts';
import { deploymentOperations } from './operations-deployments.ts';
import { gitOperations } from './operations-git.ts';
import { pullOperations } from './operations-pulls.ts';
import { repositoryOperations } from './operations-repositories.ts';
import { readRequestBody } from './request-body.ts';

/**
 * The REST API on the wire. The steps of each request: authentication (401) -> suspension and rate limits (403) ->
 * whether it is described and well-formed (404, 422) -> a planned fault -> the operation -> whether our reply is as
 * described.
 *
 * A reply that breaks GitHub's description is a defect of this stand-in: with `strict` the caller gets a 500
 * that names it, otherwise it is printed and delivered.
 */
export interface ApiOptions {
  github: Github;
  store: GitStore;
  archives: Archives;
  validator: OpenApiValidator;
  wireLog: WireLog;
  strict: boolean;
}

export const githubOperations: Operations = {
  ...appOperations,
  ...repositoryOperations,
  ...pullOperations,
  ...deploymentOperations,
  ...gitOperations,
};

/** docs.github.com, "About secondary rate limits". */
const MAX_CONCURRENT = 100;
const documentation = 'https://docs.github.com/rest';

interface Target {
  id: string;
  path: Record<string, string>;
  run: Operation;
  /** The path in the description. */
  described: string;
}

export function createApi(options: ApiOptions): (request: Request) => Promise<Response> {
  const { github, validator, wireLog } = options;
  const inFlight = new Map<string, number>();
  let requests = 0;

  return async (request) => {
    const startedAt = github.now();
    const url = new URL(request.url);
    const path = url.pathname.replace(/^\/api(\/v3)?(?=\/|$)/, '') || '/';
    const text = await request.text();
    const { reply, actor } = await answer(request, url, path, text);
    requests += 1;
    wireLog.record({
      t: startedAt,
      peer: 'github',
      method: request.method,
      path,
      query: wireQuery(url.searchParams),
      request: parse(text) ?? (text === '' ? null : text),
      status: reply.status,
      reply: reply.text ?? (reply.body === undefined ? null : parse(serialise(reply.body))),
    });
    return toResponse(reply, actor, requests);
  };

  async function answer(
    request: Request,
    url: URL,
    path: string,
    text: string,
  ): Promise<{ reply: Reply; actor: Actor }> {
    let actor: Actor = { kind: 'anonymous' };
    try {
      if (!request.headers.get('user-agent')) {
        throw new GithubError(
          403,
          'Request forbidden by administrative rules. Please make sure your request has a User-Agent header.',
        );
      }
      actor = authenticate(github.state, github.now(), request.headers.get('authorization') ?? undefined);
      const caller = callerName(actor);
      spend(actor, request.method, path);
      const reply = await whileCounted(caller, () => perform(request, url, path, text, actor));
      return { reply, actor };
    } catch (error) {
      return { reply: refusal(error), actor };
    }
  }

  async function perform(
    request: Request,
    url: URL,
    path: string,
    text: string,
    actor: Actor,
  ): Promise<Reply> {
    const body = text === '' ? undefined : parse(text);
    if (text !== '' && body === undefined) throw new GithubError(400, 'Problems parsing JSON');
    const target = findTarget(request.method, path);
    const query = wireQuery(url.searchParams);
    refuseMalformed(validator.request(request.method, target.described, query, body));
    github.faults.check(target.id);
    const call: Call = {
      ...options,
      actor,
      method: request.method,
      accept: request.headers.get('accept') ?? '',
      path: target.path,
      query: Object.fromEntries([...url.searchParams]),
      body: readRequestBody(body),
      url: new URL(`${github.links.api}${path}${url.search}`),
    };
    let reply: Reply;
    try {
      reply = await target.run(call);
    } catch (error) {
      reply = refusal(error);
    }
    return checked(request.method, target.described, reply);
  }

  function findTarget(method: string, path: string): Target {
    const { path: described, repositoryId } = describedPath(path);
    const operation = validator.operation(method, described);
    if (!operation) throw notFound();
    const run = githubOperations[operation.id];
    if (!run) throw new GithubError(501, `The local GitHub does not do ${operation.id} (${method} ${path}).`);
    const extra = repositoryId === undefined ? {} : { repository_id: repositoryId };
    return { id: operation.id, path: { ...operation.pathParameters, ...extra }, run, described };
  }

  function checked(method: string, described: string, reply: Reply): Reply {
    // Raw media types and empty answers have no schema; the description does not contain redirects of moved
    // repositories.
    if (reply.text !== undefined || [301, 304, 307].includes(reply.status)) return reply;
    const wire: unknown = reply.body === undefined ? undefined : parse(serialise(reply.body));
    const problems = validator.reply(method, described, reply.status, wire);
    if (problems.length === 0) return reply;
    const defect = `The local GitHub's reply ${reply.status} to ${method} ${described} is not as described:\n${describeProblems(problems)}`;
    if (!options.strict) {
      console.error(defect);
      return reply;
    }
    return { status: 500, body: { message: defect, documentation_url: documentation } };
  }

  function spend(actor: Actor, method: string, path: string): void {
    const writes = method !== 'GET' && /^\/(repos|repositories|user|orgs)\//.test(path);
    if (actor.kind === 'user' && !github.limits.settings.people) return;
    const limits = actor.kind === 'anonymous' ? github.anonymousLimits : github.limits;
    limits.spend(callerName(actor), writes);
  }

  async function whileCounted<T>(caller: string, work: () => Promise<T>): Promise<T> {
    const count = inFlight.get(caller) ?? 0;
    if (count >= MAX_CONCURRENT) {
      throw new GithubError(
        403,
        'You have exceeded a secondary rate limit. Please wait a few minutes before you try again.',
        {
          headers: { 'retry-after': '60' },
        },
      );
    }
    inFlight.set(caller, count + 1);
    try {
      return await work();
    } finally {
      inFlight.set(caller, (inFlight.get(caller) ?? 1) - 1);
    }
  }

  function toResponse(reply: Reply, actor: Actor, number: number): Response {
    const limits = actor.kind === 'anonymous' ? github.anonymousLimits : github.limits;
    const quota = limits.quota(callerName(actor));
    const headers = new Headers({
      'x-github-request-id': `EPH0:${number.toString(16).toUpperCase().padStart(8, '0')}`,
      'x-github-media-type': 'github.v3; format=json',
      'x-ratelimit-limit': String(quota.limit),
      'x-ratelimit-remaining': String(quota.remaining),
      'x-ratelimit-used': String(quota.used),
      'x-ratelimit-reset': String(quota.reset),
      'x-ratelimit-resource': 'core',
      ...reply.headers,
    });
    if (reply.text !== undefined) {
      headers.set('content-type', 'application/vnd.github.raw+json; charset=utf-8');
      return new Response(reply.text, { status: reply.status, headers });
    }
    if (reply.body === undefined) return new Response(null, { status: reply.status, headers });
    headers.set('content-type', 'application/json; charset=utf-8');
    return new Response(serialise(reply.body), { status: reply.status, headers });
  }
}

/** A body of the wrong shape is 422; a path that is impossible (`issues/abc`) is 404. */
function refuseMalformed(problems: readonly OpenApiProblem[]): void {
  if (problems.some((problem) => problem.in === 'path')) throw notFound();
  const wrong = problems.filter((problem) => problem.in === 'body');
  if (wrong.length === 0) return;
  const lines = wrong.map((problem) => `For '${problem.at || '/'}', ${problem.message}.`);
  throw new GithubError(422, `Invalid request.\n\n${lines.join('\n')}`);
}

function refusal(error: unknown): Reply {
  if (!(error instanceof GithubError)) {
    console.error(error);
    const message = error instanceof Error ? error.message : String(error);
    return {
      status: 500,
      body: { message: `The local GitHub failed: ${message}`, documentation_url: documentation },
    };
  }
  return {
    status: error.status,
    headers: error.headers,
    body: {
      message: error.message,
      ...(error.errors ? { errors: error.errors } : {}),
      documentation_url: documentation,
      status: String(error.status),
    },
  };
}

const bigNumber = /"bigint:(\d+)"/g;

/** JSON with whole numbers of any size, as GitHub writes them. */
function serialise(body: unknown): string {
  const text = JSON.stringify(body, (_, value) => (typeof value === 'bigint' ? `bigint:${value}` : value));
  return text.replace(bigNumber, '$1');
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
