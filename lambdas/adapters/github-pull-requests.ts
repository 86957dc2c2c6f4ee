import { App } from '@octokit/app';
import { Octokit } from '@octokit/core';
import { EphError } from '#core/failure';
import type { PullRequests, RepositoryRef } from '../ports.ts';
import { withErrors } from './with-errors.ts';

export interface GitHubSettings {
  apiUrl: string;
  appId: number;
  privateKey: string;
  now(): number;
}

/**
 * Pull requests, files, archives, and what people see, with the App's installation tokens (cached by
 * `@octokit/app` until they expire).
 *
 * Gotchas
 * - Deployments default to merging the default branch in and to waiting for every check: both are refused.
 * - `head.repo` is null when a fork was deleted, although the types say otherwise: null is a fork.
 * - An installation that is gone answers 404, a suspended one 403, both at the token: the pull request
 *   counts as absent (after a second sighting).
 * - A comment is ours by marker and by author: anybody can write the marker.
 */
export function githubPullRequests(settings: GitHubSettings): PullRequests {
  const makeApp = () =>
    new App({
      appId: settings.appId,
      privateKey: settings.privateKey,
      Octokit: Octokit.defaults({ baseUrl: settings.apiUrl, userAgent: 'eph' }),
    });
  let app = makeApp();

  /** Uninstalling ends tokens before their hour is over: without the cached one, GitHub says what is so. */
  async function withFreshToken<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      if (statusOf(error) !== 401) throw error;
      app = makeApp();
      return call();
    }
  }

  async function findComment(
    ref: RepositoryRef,
    number: number,
    marker: string,
  ): Promise<number | undefined> {
    const octokit = await app.getInstallationOctokit(ref.installationId);
    for (let page = 1; ; page += 1) {
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
  }

  return withErrors<PullRequests>(
    {
      async read(ref, repositoryId, number) {
        try {
          const { data } = await withFreshToken(async () => {
            const octokit = await app.getInstallationOctokit(ref.installationId);
            return octokit.request('GET /repos/{owner}/{repo}/pulls/{pull_number}', {
              ...repository(ref),
              pull_number: number,
            });
          });
          // The name may belong to another repository by now.
          if (Number(data.base.repo.id) !== repositoryId) return { kind: 'absent' };
          const headRepository: { id: number | bigint } | null = data.head.repo;
          return {
            kind: 'known',
            pull: {
              state: data.state === 'open' ? 'open' : 'closed',
              merged: data.merged,
              sha: data.head.sha,
              branch: data.head.ref,
              baseBranch: data.base.ref,
              draft: data.draft ?? false,
              fork: !headRepository || Number(headRepository.id) !== repositoryId,
              bot: data.user?.type === 'Bot',
              archived: data.base.repo.archived,
              author: data.user?.login ?? 'ghost',
              title: data.title,
              owner: data.base.repo.owner.login,
              repository: data.base.repo.name,
            },
          };
        } catch (error) {
          if (statusOf(error) === 404 || isSuspended(error)) return { kind: 'absent' };
          throw error;
        }
      },

      async readFile(ref, sha, path) {
        const octokit = await app.getInstallationOctokit(ref.installationId);
        try {
          const { data } = await octokit.request('GET /repos/{owner}/{repo}/contents/{path}', {
            ...repository(ref),
            path,
            ref: sha,
          });
          if (Array.isArray(data) || data.type !== 'file') return undefined;
          return Buffer.from(data.content, 'base64').toString('utf8');
        } catch (error) {
          if (statusOf(error) === 404) return undefined;
          throw error;
        }
      },

      async archiveUrl(ref, sha) {
        const octokit = await app.getInstallationOctokit(ref.installationId);
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
      },

      async checkoutToken(ref, repositoryId) {
        const octokit = await app.getInstallationOctokit(ref.installationId);
        const [repo, token] = await Promise.all([
          octokit.request('GET /repos/{owner}/{repo}', repository(ref)),
          app.octokit.request('POST /app/installations/{installation_id}/access_tokens', {
            installation_id: ref.installationId,
            repository_ids: [repositoryId],
            permissions: { contents: 'read' },
          }),
        ]);
        return { url: repo.data.clone_url, token: token.data.token };
      },

      async upsertComment(ref, number, commentId, marker, body) {
        const octokit = await app.getInstallationOctokit(ref.installationId);
        const known = commentId ?? (await findComment(ref, number, marker));
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
          }
        }
        const { data } = await octokit.request('POST /repos/{owner}/{repo}/issues/{issue_number}/comments', {
          ...repository(ref),
          issue_number: number,
          body,
        });
        return { id: Number(data.id) };
      },

      async setStatus(ref, sha, status) {
        const octokit = await app.getInstallationOctokit(ref.installationId);
        await octokit.request('POST /repos/{owner}/{repo}/statuses/{sha}', {
          ...repository(ref),
          sha,
          context: 'eph/preview',
          state: status.state,
          description: status.description,
          ...(status.url ? { target_url: status.url } : {}),
        });
      },

      async findDeployment(ref, sha, environment) {
        const octokit = await app.getInstallationOctokit(ref.installationId);
        const { data } = await octokit.request('GET /repos/{owner}/{repo}/deployments', {
          ...repository(ref),
          sha,
          environment,
          per_page: 100,
        });
        const ours = data.find((deployment) => deployment.performed_via_github_app?.id === settings.appId);
        return ours ? { id: Number(ours.id) } : undefined;
      },

      async createDeployment(ref, sha, environment) {
        const octokit = await app.getInstallationOctokit(ref.installationId);
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
      },

      async setDeploymentStatus(ref, deploymentId, status) {
        const octokit = await app.getInstallationOctokit(ref.installationId);
        await octokit.request('POST /repos/{owner}/{repo}/deployments/{deployment_id}/statuses', {
          ...repository(ref),
          deployment_id: deploymentId,
          state: status.state,
          description: status.description,
          auto_inactive: false,
          ...(status.url ? { environment_url: status.url } : {}),
        });
      },

      async failedDeliveries(since) {
        const found = new Map<string, { id: string; guid: string; at: number; ok: boolean }>();
        const { data } = await app.octokit.request('GET /app/hook/deliveries', { per_page: 100 });
        for (const delivery of data) {
          const at = Date.parse(delivery.delivered_at);
          const ok = delivery.status_code >= 200 && delivery.status_code < 300;
          const newer = found.get(delivery.guid);
          if (at < since) continue;
          // A redelivery keeps the guid: one success is enough, the newest failure is the one to redeliver.
          found.set(
            delivery.guid,
            newer
              ? { ...newer, ok: newer.ok || ok }
              : { id: String(delivery.id), guid: delivery.guid, at, ok },
          );
        }
        return [...found.values()].filter(({ ok }) => !ok).map(({ id, guid, at }) => ({ id, guid, at }));
      },

      async redeliver(deliveryId) {
        // In the path as text: as a number it would be rounded.
        await app.octokit.request(`POST /app/hook/deliveries/${deliveryId}/attempts`);
      },
    },
    (error) => asGitHubError(error, settings.now()),
  );
}

function repository(ref: RepositoryRef): { owner: string; repo: string } {
  return { owner: ref.owner, repo: ref.name };
}

function statusOf(error: unknown): number | undefined {
  return error instanceof Error && 'status' in error && typeof error.status === 'number'
    ? error.status
    : undefined;
}

function isSuspended(error: unknown): boolean {
  return statusOf(error) === 403 && error instanceof Error && /suspended/i.test(error.message);
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
