import { App } from '@octokit/app';
import { Octokit } from '@octokit/core';
import { cutText } from '#core/cut-text';
import type { PullRequest } from '#core/environment';
import { EphError } from '#core/failure';
import { MAX_NAME_BYTES, MAX_TITLE_BYTES } from '#core/limits';
import type { PullRequests, RepositoryRef } from '../ports.ts';
import { findPullRequest, type GitHubQuestions } from './find-pull-request.ts';
import { repositoryTokens } from './repository-tokens.ts';
import { withErrors } from './with-errors.ts';

export interface GitHubSettings {
  apiUrl: string;
  appId: number;
  privateKey: string;
  now(): number;
}

/** 10,000 repositories; of a larger installation it is never proved that it lacks one. */
const MAX_REPOSITORY_PAGES = 100;
/** 1,000 installations; an App that has more never proves that it lost a repository. */
const MAX_INSTALLATION_PAGES = 10;
/** 2,000 comments: ours is among the first, since it is written when the pull request is opened. */
const MAX_COMMENT_PAGES = 20;

/**
 * Pull requests, files, archives, and what people see, each with a token of the App for that repository alone
 * (`repository-tokens.ts`).
 *
 * Gotchas
 * - Deployments default to merging the default branch in and to waiting for every check: both are refused.
 * - `head.repo` is null when a fork was deleted, although the types say otherwise: null is a fork.
 * - An installation that is gone answers 404, a suspended one 403, a repository that it does not have 422, all at
 *   the token; a token that was given out before goes on reading a public repository. What a refusal means is
 *   found out by new tokens.
 * - Right after a push the commit may be 404 for a moment: only an answer of 200 says that a file is not there.
 * - A comment is ours by marker and by author: anybody can write the marker.
 */
export function githubPullRequests(settings: GitHubSettings): PullRequests {
  const Client = Octokit.defaults({ baseUrl: settings.apiUrl, userAgent: 'eph' });
  const app = new App({ appId: settings.appId, privateKey: settings.privateKey, Octokit: Client });
  const tokens = repositoryTokens(
    (installationId, repositoryId) =>
      unlessRefused(async () => {
        const { token, repositories = [] } = await newToken(installationId, [repositoryId]);
        const [found] = repositories;
        if (!found) throw new EphError('transient', 'github_token', 'GitHub named no repository of a token.');
        return { octokit: new Client({ auth: token }), owner: found.owner.login, name: found.name };
      }),
    settings.now,
  );

  function questionsAbout(number: number): GitHubQuestions {
    return {
      async pull(ref) {
        const answer = await inRepositoryOnce(ref, async (octokit) => {
          const { data } = await octokit.request('GET /repos/{owner}/{repo}/pulls/{pull_number}', {
            ...repository(ref),
            pull_number: number,
          });
          return { repositoryId: Number(data.base.repo.id), pull: toPullRequest(data) };
        });
        if (answer.kind === 'done') return answer.value;
        return statusOf(answer.error) === 404 ? 'missing' : 'refused';
      },
      async nameByNewToken(installationId, repositoryId) {
        const access = await tokens.renew(installationId, repositoryId);
        return access && { owner: access.owner, name: access.name };
      },
      async hasIssue(ref) {
        const answer = await inRepositoryOnce(ref, (octokit) =>
          octokit.request('GET /repos/{owner}/{repo}/issues/{issue_number}', {
            ...repository(ref),
            issue_number: number,
          }),
        );
        if (answer.kind === 'done') return true;
        return statusOf(answer.error) === 404 ? false : undefined;
      },
      installationOf: (owner, repo) =>
        unlessRefused(async () => {
          const { data } = await app.octokit.request('GET /repos/{owner}/{repo}/installation', {
            owner,
            repo,
          });
          return Number(data.id);
        }),
      knowsApp: async () => (await unlessRefused(() => app.octokit.request('GET /app'))) !== undefined,
      installations: () =>
        unlessRefused(async () => {
          const found: { id: number; suspended: boolean }[] = [];
          for (let page = 1; page <= MAX_INSTALLATION_PAGES; page += 1) {
            const { data } = await app.octokit.request('GET /app/installations', { per_page: 100, page });
            for (const { id, suspended_at } of data)
              found.push({ id: Number(id), suspended: Boolean(suspended_at) });
            if (data.length < 100) return found;
          }
          return undefined;
        }),
      covers: (installationId, repositoryId) =>
        unlessRefused(async () => {
          const octokit = new Client({ auth: (await newToken(installationId)).token });
          for (let page = 1; page <= MAX_REPOSITORY_PAGES; page += 1) {
            const { data } = await octokit.request('GET /installation/repositories', { per_page: 100, page });
            if (data.repositories.some(({ id }) => Number(id) === repositoryId)) return true;
            if (data.repositories.length < 100) return false;
          }
          return undefined;
        }),
    };
  }

  async function newToken(installationId: number, repositoryIds?: number[]) {
    const { data } = await app.octokit.request('POST /app/installations/{installation_id}/access_tokens', {
      installation_id: installationId,
      ...(repositoryIds ? { repository_ids: repositoryIds } : {}),
    });
    return data;
  }

  type Outcome<T> = { kind: 'done'; value: T } | { kind: 'refused'; error: unknown };

  /** One call with the kept token. GitHub ends tokens before their hour is over (401): then with a new one. */
  async function inRepositoryOnce<T>(
    ref: RepositoryRef,
    call: (octokit: Octokit) => Promise<T>,
  ): Promise<Outcome<T>> {
    const { installationId, repositoryId } = ref;
    let access = await tokens.get(installationId, repositoryId);
    for (let attempt = 1; access; attempt += 1) {
      try {
        return { kind: 'done', value: await call(access.octokit) };
      } catch (error) {
        if (!isRefusal(error)) throw error;
        if (statusOf(error) !== 401 || attempt > 1) return { kind: 'refused', error };
        access = await tokens.renew(installationId, repositoryId);
      }
    }
    return { kind: 'refused', error: undefined };
  }

  /**
   * A call about one repository. What GitHub refuses because the App has lost the repository looks the same as
   * what it refuses for good; a new token for that repository tells them apart.
   */
  async function inRepository<T>(ref: RepositoryRef, call: (octokit: Octokit) => Promise<T>): Promise<T> {
    const outcome = await inRepositoryOnce(ref, call);
    if (outcome.kind === 'done') return outcome.value;
    const stillHasIt = await tokens.renew(ref.installationId, ref.repositoryId);
    if (stillHasIt && outcome.error !== undefined) throw outcome.error;
    throw new EphError(
      'transient',
      'github_no_access',
      'GitHub does not let Eph into this repository at the moment: the App may have been removed from it.',
      { cause: outcome.error },
    );
  }

  async function findComment(
    octokit: Octokit,
    ref: RepositoryRef,
    number: number,
    marker: string,
  ): Promise<number | undefined> {
    for (let page = 1; page <= MAX_COMMENT_PAGES; page += 1) {
      const { data } = await octokit.request('GET /repos/{owner}/{repo}/issues/{issue_number}/comments', {
        ...repository(ref),
        issue_number: number,
        per_page: 100,
        page,
      });
      const ours = data.find(
        (comment) =>
          comment.body?.startsWith(marker) === true &&
          comment.performed_via_github_app?.id === settings.appId &&
          comment.user?.type === 'Bot',
      );
      if (ours) return Number(ours.id);
      if (data.length < 100) return undefined;
    }
    return undefined;
  }

  return withErrors<PullRequests>(
    {
      read: (question) => findPullRequest(questionsAbout(question.number), question),

      readRoot: (ref, sha) =>
        inRepository(ref, async (octokit) => {
          const { data } = await octokit
            .request('GET /repos/{owner}/{repo}/git/trees/{tree_sha}', { ...repository(ref), tree_sha: sha })
            .catch(notThereYet);
          return data.tree.map(({ path }) => path);
        }),

      readFile: (ref, sha, path) =>
        inRepository(ref, async (octokit) => {
          const { data } = await octokit
            .request('GET /repos/{owner}/{repo}/contents/{path}', { ...repository(ref), path, ref: sha })
            .catch(notThereYet);
          if (Array.isArray(data) || data.type !== 'file') return undefined;
          return Buffer.from(data.content, 'base64').toString('utf8');
        }),

      archiveUrl: (ref, sha) =>
        inRepository(ref, async (octokit) => {
          const { headers } = await octokit.request('GET /repos/{owner}/{repo}/tarball/{ref}', {
            ...repository(ref),
            ref: sha,
            request: { redirect: 'manual' },
          });
          if (!headers.location) {
            throw new EphError(
              'transient',
              'no_archive',
              'GitHub gave no address for the archive of this commit.',
            );
          }
          return headers.location;
        }),

      checkoutToken: (ref) =>
        inRepository(ref, async (octokit) => {
          const [repo, token] = await Promise.all([
            octokit.request('GET /repos/{owner}/{repo}', repository(ref)),
            app.octokit.request('POST /app/installations/{installation_id}/access_tokens', {
              installation_id: ref.installationId,
              repository_ids: [ref.repositoryId],
              permissions: { contents: 'read' },
            }),
          ]);
          return { url: repo.data.clone_url, token: token.data.token };
        }),

      upsertComment: (ref, number, { commentId, marker, body, mayCreate }) =>
        inRepository(ref, async (octokit) => {
          const known = commentId ?? (await findComment(octokit, ref, number, marker));
          if (known !== undefined) {
            try {
              await octokit.request('PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}', {
                ...repository(ref),
                comment_id: known,
                body,
              });
              return { id: known };
            } catch (error) {
              // Somebody deleted it: they get a new one with the next news.
              if (statusOf(error) !== 404) throw error;
              if (!mayCreate) return { id: known };
            }
          }
          const { data } = await octokit.request(
            'POST /repos/{owner}/{repo}/issues/{issue_number}/comments',
            {
              ...repository(ref),
              issue_number: number,
              body,
            },
          );
          return { id: Number(data.id) };
        }),

      isInMergeQueue: (ref, sha) =>
        inRepository(ref, async (octokit) => {
          const { data } = await octokit.request(
            'GET /repos/{owner}/{repo}/commits/{commit_sha}/branches-where-head',
            { ...repository(ref), commit_sha: sha },
          );
          return data.some(({ name }) => name.startsWith('gh-readonly-queue/'));
        }),

      openPullsOf: (ref, sha) =>
        inRepository(ref, async (octokit) => {
          const { data } = await octokit.request('GET /repos/{owner}/{repo}/commits/{commit_sha}/pulls', {
            ...repository(ref),
            commit_sha: sha,
            per_page: 100,
          });
          return data
            .filter(({ state, head, base }) => state === 'open' && head.sha === sha && isOf(ref, base.repo))
            .map(({ number }) => Number(number));
        }),

      setStatus: (ref, sha, status) =>
        inRepository(ref, async (octokit) => {
          await octokit.request('POST /repos/{owner}/{repo}/statuses/{sha}', {
            ...repository(ref),
            sha,
            context: 'eph/preview',
            state: status.state,
            description: status.description,
            ...(status.url ? { target_url: status.url } : {}),
          });
        }),

      findDeployment: (ref, sha, environment) =>
        inRepository(ref, async (octokit) => {
          const { data } = await octokit.request('GET /repos/{owner}/{repo}/deployments', {
            ...repository(ref),
            sha,
            environment,
            per_page: 100,
          });
          const ours = data.find((deployment) => deployment.performed_via_github_app?.id === settings.appId);
          return ours ? { id: Number(ours.id) } : undefined;
        }),

      createDeployment: (ref, sha, environment) =>
        inRepository(ref, async (octokit) => {
          const { data } = await octokit.request('POST /repos/{owner}/{repo}/deployments', {
            ...repository(ref),
            ref: sha,
            environment,
            transient_environment: true,
            production_environment: false,
            auto_merge: false,
            required_contexts: [],
          });
          if ('id' in data) return { id: Number(data.id) };
          throw new EphError('permanent', 'deployment_refused', 'GitHub made no deployment for this commit.');
        }),

      setDeploymentStatus: (ref, deploymentId, status) =>
        inRepository(ref, async (octokit) => {
          await octokit.request('POST /repos/{owner}/{repo}/deployments/{deployment_id}/statuses', {
            ...repository(ref),
            deployment_id: deploymentId,
            state: status.state,
            description: status.description,
            auto_inactive: false,
            ...(status.url ? { environment_url: status.url } : {}),
          });
        }),

      async deliveries(cursor) {
        const { data, headers } = await app.octokit.request('GET /app/hook/deliveries', {
          per_page: 100,
          ...(cursor === undefined ? {} : { cursor }),
        });
        const attempts = data.map(({ id, guid, delivered_at, status_code, redelivery }) => ({
          id: String(id),
          guid,
          at: Date.parse(delivered_at),
          // A time-out and a refused connection have no status of ours.
          ok: status_code >= 200 && status_code < 300,
          redelivery,
        }));
        return { attempts, next: cursorIn(headers.link) };
      },

      async redeliver(deliveryId) {
        // In the path as text: as a number it would be rounded.
        await app.octokit.request(`POST /app/hook/deliveries/${deliveryId}/attempts`);
      },
    },
    (error) => asGitHubError(error, settings.now()),
  );
}

/** Of the page after this one. */
function cursorIn(link: string | undefined): string | undefined {
  const next = /<([^>]+)>;\s*rel="next"/.exec(link ?? '')?.[1];
  return next === undefined ? undefined : (new URL(next).searchParams.get('cursor') ?? undefined);
}

/** Of GitHub's answer, what is read. `head.repo` is null when the fork was deleted, although its types say otherwise. */
interface PullPayload {
  state: string;
  merged: boolean;
  draft?: boolean;
  title: string;
  user: { login: string; type: string } | null;
  head: { sha: string; ref: string; repo: { id: number | bigint } | null };
  base: {
    ref: string;
    repo: { id: number | bigint; name: string; archived: boolean; owner: { login: string } };
  };
}

function toPullRequest(data: PullPayload): PullRequest {
  const headRepository = data.head.repo;
  return {
    state: data.state === 'open' ? 'open' : 'closed',
    merged: data.merged,
    sha: data.head.sha,
    branch: cutText(data.head.ref, MAX_NAME_BYTES),
    baseBranch: cutText(data.base.ref, MAX_NAME_BYTES),
    draft: data.draft ?? false,
    fork: !headRepository || Number(headRepository.id) !== Number(data.base.repo.id),
    bot: data.user?.type === 'Bot',
    archived: data.base.repo.archived,
    author: cutText(data.user?.login ?? 'ghost', MAX_NAME_BYTES),
    title: cutText(data.title, MAX_TITLE_BYTES),
    owner: cutText(data.base.repo.owner.login, MAX_NAME_BYTES),
    repository: cutText(data.base.repo.name, MAX_NAME_BYTES),
  };
}

function isOf(ref: RepositoryRef, { id }: { id: number | bigint }): boolean {
  return Number(id) === ref.repositoryId;
}

function repository(ref: RepositoryRef): { owner: string; repo: string } {
  return { owner: ref.owner, repo: ref.name };
}

export function statusOf(error: unknown): number | undefined {
  return error instanceof Error && 'status' in error && typeof error.status === 'number'
    ? error.status
    : undefined;
}

/** An answer, not an outage: no token, no permission, not there, not in this installation. */
export function isRefusal(error: unknown): boolean {
  const status = statusOf(error);
  if (status === 403) return rateLimitPause(error, 0) === undefined;
  return status === 401 || status === 404;
}

function notThereYet(error: unknown): never {
  if (statusOf(error) !== 404) throw error;
  throw new EphError(
    'transient',
    'github_not_there_yet',
    'GitHub does not show the files of this commit yet.',
    {
      cause: error,
    },
  );
}

async function unlessRefused<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    // 422: a token for a repository that the installation does not have.
    if (isRefusal(error) || statusOf(error) === 422) return undefined;
    throw error;
  }
}

const RATE_LIMIT_PAUSE = 60_000;

export function asGitHubError(error: unknown, now: number): unknown {
  if (error instanceof EphError) return error;
  const status = statusOf(error);
  const code = `github_${status ?? 'unreachable'}`;
  const pause = rateLimitPause(error, now);
  if (pause !== undefined) {
    const sentence = 'GitHub asks Eph to slow down; it goes on in a moment.';
    return new EphError('transient', 'github_rate_limit', sentence, { cause: error, retryAfter: pause });
  }
  if (status !== undefined && [400, 403, 404, 410, 422].includes(status)) {
    return new EphError(
      'permanent',
      code,
      'GitHub refused this: the App may lack a permission, or it is gone.',
      {
        cause: error,
      },
    );
  }
  return new EphError('transient', code, 'GitHub did not answer as expected.', { cause: error });
}

/** Primary limit: `x-ratelimit-remaining: 0`; secondary: `retry-after`, or the word in the message. Milliseconds. */
function rateLimitPause(error: unknown, now: number): number | undefined {
  const status = statusOf(error);
  if (status !== 403 && status !== 429) return undefined;
  const headers = headersOf(error);
  const retryAfter = Number(headers['retry-after']);
  if (retryAfter > 0) return retryAfter * 1_000;
  if (headers['x-ratelimit-remaining'] === '0') {
    return Math.max(RATE_LIMIT_PAUSE, Number(headers['x-ratelimit-reset']) * 1_000 - now);
  }
  const limited = status === 429 || (error instanceof Error && /rate limit/i.test(error.message));
  return limited ? RATE_LIMIT_PAUSE : undefined;
}

function headersOf(error: unknown): Record<string, unknown> {
  if (typeof error !== 'object' || error === null || !('response' in error)) return {};
  const { response } = error;
  if (typeof response !== 'object' || response === null || !('headers' in response)) return {};
  return typeof response.headers === 'object' && response.headers !== null ? { ...response.headers } : {};
}
