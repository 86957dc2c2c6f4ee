import type { Octokit } from '@octokit/core';
import { EphError } from '#core/failure';
import type { RepositoryRef } from '../../ports.ts';
import { type GithubClient, repositoryPath } from './github-client.ts';
import { statusOf } from './github-error.ts';
import type { GithubWords } from './github-wire.ts';

/** 2,000 comments: ours is among the first, since it is written when the pull request is opened. */
const MAX_COMMENT_PAGES = 20;

/** What people are told: comment, commit status, deployment. */
export function githubWords(client: GithubClient): GithubWords {
  async function findComment(
    octokit: Octokit,
    ref: RepositoryRef,
    number: number,
    marker: string,
  ): Promise<number | undefined> {
    for (let page = 1; page <= MAX_COMMENT_PAGES; page += 1) {
      const { data } = await octokit.request('GET /repos/{owner}/{repo}/issues/{issue_number}/comments', {
        ...repositoryPath(ref),
        issue_number: number,
        per_page: 100,
        page,
      });
      const ours = data.find(
        (comment) =>
          comment.body?.startsWith(marker) === true &&
          comment.performed_via_github_app?.id === client.appId &&
          comment.user?.type === 'Bot',
      );
      if (ours) return Number(ours.id);
      if (data.length < 100) return undefined;
    }
    return undefined;
  }

  return {
    upsertComment: (ref, number, { commentId, marker, body, mayCreate }) =>
      client.inRepository(ref, async (octokit) => {
        const known = commentId ?? (await findComment(octokit, ref, number, marker));
        if (known !== undefined) {
          try {
            await octokit.request('PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}', {
              ...repositoryPath(ref),
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
        const { data } = await octokit.request('POST /repos/{owner}/{repo}/issues/{issue_number}/comments', {
          ...repositoryPath(ref),
          issue_number: number,
          body,
        });
        return { id: Number(data.id) };
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
        await octokit.request('POST /repos/{owner}/{repo}/statuses/{sha}', {
          ...repositoryPath(ref),
          sha,
          context: 'eph/preview',
          state: status.state,
          description: status.description,
          ...(status.url ? { target_url: status.url } : {}),
        });
      }),

    findDeployment: (ref, sha, environment) =>
      client.inRepository(ref, async (octokit) => {
        const { data } = await octokit.request('GET /repos/{owner}/{repo}/deployments', {
          ...repositoryPath(ref),
          sha,
          environment,
          per_page: 100,
        });
        const ours = data.find((deployment) => deployment.performed_via_github_app?.id === client.appId);
        return ours ? { id: Number(ours.id) } : undefined;
      }),

    createDeployment: (ref, sha, environment) =>
      client.inRepository(ref, async (octokit) => {
        const { data } = await octokit.request('POST /repos/{owner}/{repo}/deployments', {
          ...repositoryPath(ref),
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

function isOf(ref: RepositoryRef, { id }: { id: number | bigint }): boolean {
  return Number(id) === ref.repositoryId;
}
