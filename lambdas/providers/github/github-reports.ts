import type { Octokit } from '@octokit/core';
import { EphError } from '#core/failure';
import type { RepositoryRef } from '../../ports.ts';
import { type GithubClient, repositoryPath } from './github-client.ts';
import { statusOf } from './github-error.ts';
import type { GithubReports, StatusState, StatusToSet } from './github-wire.ts';

/** The name of the commit status, which may be a required check. */
const CONTEXT = 'eph/preview';
const statusStates: readonly StatusState[] = ['pending', 'success', 'failure', 'error'];
/** 2,000 comments: ours is among the first, since it is written when the pull request is opened. */
const MAX_COMMENT_PAGES = 20;

/** The reports to people: comment, commit status, deployment. */
export function githubReports(client: GithubClient): GithubReports {
  async function* comments(
    octokit: Octokit,
    ref: RepositoryRef,
    number: number,
    marker: string,
  ): AsyncGenerator<number> {
    for (let page = 1; page <= MAX_COMMENT_PAGES; page += 1) {
      const { data } = await octokit.request('GET /repos/{owner}/{repo}/issues/{issue_number}/comments', {
        ...repositoryPath(ref),
        issue_number: number,
        per_page: 100,
        page,
      });
      const ours = data.filter(
        (comment) =>
          comment.body?.startsWith(marker) === true &&
          comment.performed_via_github_app?.id === client.appId &&
          comment.user?.type === 'Bot',
      );
      for (const { id } of ours) yield Number(id);
      if (data.length < 100) return;
    }
  }

  async function findComment(...where: Parameters<typeof comments>): Promise<number | undefined> {
    for await (const id of comments(...where)) return id;
    return undefined;
  }

  return {
    upsertComment: (ref, number, { commentId, marker, body, mayCreate }) =>
      client.inRepository(ref, async (octokit) => {
        const known = commentId ?? (await findComment(octokit, ref, number, marker));
        if (known !== undefined) {
          try {
            const { data } = await octokit.request(
              'PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}',
              { ...repositoryPath(ref), comment_id: known, body },
            );
            return { id: known, body: data.body };
          } catch (error) {
            // Somebody deleted it: the next report that differs makes a new one.
            if (statusOf(error) !== 404) throw error;
            if (!mayCreate) return { id: known, body: undefined };
          }
        }
        const { data } = await octokit.request('POST /repos/{owner}/{repo}/issues/{issue_number}/comments', {
          ...repositoryPath(ref),
          issue_number: number,
          body,
        });
        return { id: Number(data.id), body: data.body };
      }),

    findComments: (ref, number, marker) =>
      client.inRepository(ref, async (octokit) => {
        const found: number[] = [];
        for await (const id of comments(octokit, ref, number, marker)) found.push(id);
        return found;
      }),

    deleteComment: (ref, id) =>
      client.inRepository(ref, async (octokit) => {
        try {
          await octokit.request('DELETE /repos/{owner}/{repo}/issues/comments/{comment_id}', {
            ...repositoryPath(ref),
            comment_id: id,
          });
        } catch (error) {
          unlessGone(error);
        }
      }),

    readComment: (ref, id) =>
      client.inRepository(ref, async (octokit) => {
        try {
          const { data } = await octokit.request('GET /repos/{owner}/{repo}/issues/comments/{comment_id}', {
            ...repositoryPath(ref),
            comment_id: id,
          });
          return data.body;
        } catch (error) {
          return unlessGone(error);
        }
      }),

    isInMergeQueue: (ref, sha) =>
      client.inRepository(ref, async (octokit) => {
        const { data } = await octokit.request(
          'GET /repos/{owner}/{repo}/commits/{commit_sha}/branches-where-head',
          { ...repositoryPath(ref), commit_sha: sha },
        );
        return data.some(({ name }) => name.startsWith('gh-readonly-queue/'));
      }),

    openPullsOf: (ref, sha) =>
      client.inRepository(ref, async (octokit) => {
        const { data } = await octokit.request('GET /repos/{owner}/{repo}/commits/{commit_sha}/pulls', {
          ...repositoryPath(ref),
          commit_sha: sha,
          per_page: 100,
        });
        return data
          .filter(({ state, head, base }) => state === 'open' && head.sha === sha && isOf(ref, base.repo))
          .map(({ number }) => Number(number));
      }),

    setStatus: (ref, sha, status) =>
      client.inRepository(ref, async (octokit) => {
        const { data } = await octokit.request('POST /repos/{owner}/{repo}/statuses/{sha}', {
          ...repositoryPath(ref),
          sha,
          context: CONTEXT,
          state: status.state,
          description: status.description,
          ...(status.url ? { target_url: status.url } : {}),
        });
        return toStatus({ ...data, state: status.state });
      }),

    readStatus: (ref, sha) =>
      client.inRepository(ref, async (octokit) => {
        const { data } = await octokit.request('GET /repos/{owner}/{repo}/commits/{ref}/status', {
          ...repositoryPath(ref),
          ref: sha,
          per_page: 100,
        });
        const ours = data.statuses.find(({ context }) => context === CONTEXT);
        const state = statusStates.find((known) => known === ours?.state);
        return ours && state && toStatus({ ...ours, state });
      }),

    findDeployments: (ref, sha, environment) =>
      client.inRepository(ref, async (octokit) => {
        const { data } = await octokit.request('GET /repos/{owner}/{repo}/deployments', {
          ...repositoryPath(ref),
          sha,
          environment,
          per_page: 100,
        });
        return data
          .filter((deployment) => deployment.performed_via_github_app?.id === client.appId)
          .map(({ id, description }) => ({ id: Number(id), mark: description ?? undefined }));
      }),

    createDeployment: (ref, sha, environment, mark) =>
      client.inRepository(ref, async (octokit) => {
        const { data } = await octokit.request('POST /repos/{owner}/{repo}/deployments', {
          ...repositoryPath(ref),
          ref: sha,
          environment,
          description: mark,
          transient_environment: true,
          production_environment: false,
          auto_merge: false,
          required_contexts: [],
        });
        if ('id' in data) return { id: Number(data.id) };
        throw new EphError('permanent', 'deployment_refused', 'GitHub made no deployment for this commit.');
      }),

    readDeploymentState: (ref, deploymentId) =>
      client.inRepository(ref, async (octokit) => {
        try {
          const { data } = await octokit.request(
            'GET /repos/{owner}/{repo}/deployments/{deployment_id}/statuses',
            { ...repositoryPath(ref), deployment_id: deploymentId, per_page: 1 },
          );
          return data[0]?.state;
        } catch (error) {
          return unlessGone(error);
        }
      }),

    setDeploymentStatus: (ref, deploymentId, status) =>
      client.inRepository(ref, async (octokit) => {
        await octokit.request('POST /repos/{owner}/{repo}/deployments/{deployment_id}/statuses', {
          ...repositoryPath(ref),
          deployment_id: deploymentId,
          state: status.state,
          description: status.description,
          auto_inactive: false,
          ...(status.url ? { environment_url: status.url } : {}),
        });
      }),
  };
}

function unlessGone(error: unknown): undefined {
  if (statusOf(error) !== 404) throw error;
}

function toStatus(said: {
  state: StatusState;
  description: string | null;
  target_url: string | null;
}): StatusToSet {
  return {
    state: said.state,
    description: said.description ?? '',
    ...(said.target_url ? { url: said.target_url } : {}),
  };
}

function isOf(ref: RepositoryRef, { id }: { id: number | bigint }): boolean {
  return Number(id) === ref.repositoryId;
}
