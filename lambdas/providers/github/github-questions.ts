import { cutText } from '#core/cut-text';
import type { PullRequest } from '#core/environment';
import { MAX_NAME_BYTES, MAX_TITLE_BYTES } from '#core/limits';
import type { GitHubQuestions } from './find-pull-request.ts';
import { type GithubClient, repositoryPath } from './github-client.ts';
import { statusOf, unlessRefused } from './github-error.ts';

/** 10,000 repositories; if an installation has more, nothing can prove that it lacks one. */
const MAX_REPOSITORY_PAGES = 100;
/** 1,000 installations; an App that has more never proves that it lost a repository. */
const MAX_INSTALLATION_PAGES = 10;

/** The questions that are asked about one pull request, whoever may see it. */
export function githubQuestions(client: GithubClient, number: number): GitHubQuestions {
  return {
    async pull(ref) {
      const answer = await client.inRepositoryOnce(ref, async (octokit) => {
        const { data } = await octokit.request('GET /repos/{owner}/{repo}/pulls/{pull_number}', {
          ...repositoryPath(ref),
          pull_number: number,
        });
        return { repositoryId: Number(data.base.repo.id), pull: toPullRequest(data) };
      });
      if (answer.kind === 'done') return answer.value;
      return statusOf(answer.error) === 404 ? 'missing' : 'refused';
    },
    async nameByNewToken(installationId, repositoryId) {
      const access = await client.renewToken(installationId, repositoryId);
      return access && { owner: access.owner, name: access.name };
    },
    async hasIssue(ref) {
      const answer = await client.inRepositoryOnce(ref, (octokit) =>
        octokit.request('GET /repos/{owner}/{repo}/issues/{issue_number}', {
          ...repositoryPath(ref),
          issue_number: number,
        }),
      );
      if (answer.kind === 'done') return true;
      return statusOf(answer.error) === 404 ? false : undefined;
    },
    installationOf: (owner, repo) =>
      unlessRefused(async () => {
        const { data } = await client.asApp.request('GET /repos/{owner}/{repo}/installation', {
          owner,
          repo,
        });
        return Number(data.id);
      }),
    knowsApp: async () => (await unlessRefused(() => client.asApp.request('GET /app'))) !== undefined,
    installations: () =>
      unlessRefused(async () => {
        const found: { id: number; suspended: boolean }[] = [];
        for (let page = 1; page <= MAX_INSTALLATION_PAGES; page += 1) {
          const { data } = await client.asApp.request('GET /app/installations', { per_page: 100, page });
          for (const { id, suspended_at } of data)
            found.push({ id: Number(id), suspended: Boolean(suspended_at) });
          if (data.length < 100) return found;
        }
        return undefined;
      }),
    covers: (installationId, repositoryId) =>
      unlessRefused(async () => {
        const octokit = await client.asInstallation(installationId);
        for (let page = 1; page <= MAX_REPOSITORY_PAGES; page += 1) {
          const { data } = await octokit.request('GET /installation/repositories', { per_page: 100, page });
          if (data.repositories.some(({ id }) => Number(id) === repositoryId)) return true;
          if (data.repositories.length < 100) return false;
        }
        return undefined;
      }),
  };
}

/** The part of GitHub's answer that is read. `head.repo` is null if the fork was deleted, although its types differ. */
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
