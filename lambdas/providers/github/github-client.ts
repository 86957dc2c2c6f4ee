import { App } from '@octokit/app';
import { Octokit } from '@octokit/core';
import { EphError } from '#core/failure';
import type { RepositoryRef } from '../../ports.ts';
import { isRefusal, statusOf, unlessRefused } from './github-error.ts';
import { repositoryTokens } from './repository-tokens.ts';

export interface GithubSettings {
  apiUrl: string;
  appId: number;
  privateKey: string;
  now(): number;
}

export type Outcome<T> = { kind: 'done'; value: T } | { kind: 'refused'; error: unknown };

export type GithubClient = ReturnType<typeof githubClient>;

/** Calls to GitHub: as the App, as an installation, and with a token for one repository alone. */
export function githubClient(settings: GithubSettings) {
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

  async function newToken(installationId: number, repositoryIds?: number[]) {
    const { data } = await app.octokit.request('POST /app/installations/{installation_id}/access_tokens', {
      installation_id: installationId,
      ...(repositoryIds ? { repository_ids: repositoryIds } : {}),
    });
    return data;
  }

  /** Makes one call with the cached token. If GitHub ended it before its hour was over (401), a new one is used. */
  async function inRepositoryOnce<T>(
    ref: RepositoryRef,
    call: (octokit: Octokit) => Promise<T>,
  ): Promise<Outcome<T>> {
    const { repositoryId } = ref;
    const installationId = installationOf(ref);
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

  return {
    appId: settings.appId,
    asApp: app.octokit,
    renewToken: tokens.renew,
    inRepositoryOnce,

    async asInstallation(installationId: number): Promise<Octokit> {
      return new Client({ auth: (await newToken(installationId)).token });
    },

    /**
     * Makes a call about one repository. A refusal because the App has lost the repository looks the same as a final
     * refusal; a new token for that repository shows which one it is.
     */
    async inRepository<T>(ref: RepositoryRef, call: (octokit: Octokit) => Promise<T>): Promise<T> {
      const outcome = await inRepositoryOnce(ref, call);
      if (outcome.kind === 'done') return outcome.value;
      const stillHasIt = await tokens.renew(installationOf(ref), ref.repositoryId);
      if (stillHasIt && outcome.error !== undefined) throw outcome.error;
      throw new EphError(
        'transient',
        'github_no_access',
        'GitHub does not let Eph into this repository at the moment: the App may have been removed from it.',
        { cause: outcome.error },
      );
    },
  };
}

/** GitHub's access to a repository is an installation of the App. */
export function installationOf({ access }: RepositoryRef): number {
  return Number(access);
}

/** The repository as the paths of GitHub's interface name it. */
export function repositoryPath(ref: RepositoryRef): { owner: string; repo: string } {
  return { owner: ref.owner, repo: ref.name };
}
