import { EphError } from '#core/failure';
import { type GithubClient, installationOf, repositoryPath } from './github-client.ts';
import { statusOf } from './github-error.ts';
import type { GithubFiles } from './github-wire.ts';

/** The content of a commit, and where a machine may get it. */
export function githubFiles(client: GithubClient): GithubFiles {
  return {
    readRoot: (ref, sha) =>
      client.inRepository(ref, async (octokit) => {
        const { data } = await octokit
          .request('GET /repos/{owner}/{repo}/git/trees/{tree_sha}', {
            ...repositoryPath(ref),
            tree_sha: sha,
          })
          .catch(notThereYet);
        return data.tree.map(({ path }) => path);
      }),

    readFile: (ref, sha, path) =>
      client.inRepository(ref, async (octokit) => {
        const { data } = await octokit
          .request('GET /repos/{owner}/{repo}/contents/{path}', { ...repositoryPath(ref), path, ref: sha })
          .catch(notThereYet);
        if (Array.isArray(data) || data.type !== 'file') return undefined;
        return Buffer.from(data.content, 'base64').toString('utf8');
      }),

    archiveUrl: (ref, sha) =>
      client.inRepository(ref, async (octokit) => {
        const { headers } = await octokit.request('GET /repos/{owner}/{repo}/tarball/{ref}', {
          ...repositoryPath(ref),
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
      client.inRepository(ref, async (octokit) => {
        const [repo, token] = await Promise.all([
          octokit.request('GET /repos/{owner}/{repo}', repositoryPath(ref)),
          client.asApp.request('POST /app/installations/{installation_id}/access_tokens', {
            installation_id: installationOf(ref),
            repository_ids: [ref.repositoryId],
            permissions: { contents: 'read' },
          }),
        ]);
        return { url: repo.data.clone_url, token: token.data.token };
      }),
  };
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
