import type { PullRequest } from '#core/environment';
import { EphError } from '#core/failure';
import { withErrors } from '../../lambdas/adapters/with-errors.ts';
import type { RepositoryRef } from '../../lambdas/ports.ts';
import { findPullRequest, type GitHubQuestions } from '../../lambdas/providers/github/find-pull-request.ts';
import { installationOf } from '../../lambdas/providers/github/github-client.ts';
import { asGitHubError, isRefusal } from '../../lambdas/providers/github/github-error.ts';
import type { GithubWire } from '../../lambdas/providers/github/github-wire.ts';
import { type Actor, authorize, findRepository, type Need } from '../../local/github/access.ts';
import type { Github } from '../../local/github/github.ts';
import { GithubError, notFound } from '../../local/github/github-error.ts';
import type { Repository } from '../../local/github/github-state.ts';

interface FakeGithubOptions {
  now(): number;
  /** Git is not in the state machine: what a commit contains, path -> text. */
  files(sha: string): Readonly<Record<string, string>>;
}

const reading: Need = { grants: ['contents:read'], role: 'read', writes: false };
const commenting: Need = { grants: ['pull_requests:write'], role: 'read', writes: true };
const deploying: Need = { grants: ['deployments:write'], role: 'write', writes: true };
const stating: Need = { grants: ['statuses:write'], role: 'write', writes: true };

/** What the provider is connected to, over GitHub's state machine: rights, redirects and refusals are GitHub's, their reading the adapter's. */
export function fakeGithubWire(github: Github, options: FakeGithubOptions): GithubWire {
  const { state } = github;

  function actorOf(installationId: number): Actor {
    const installation = github.installations.get(installationId);
    if (installation.suspendedAt !== null) throw new GithubError(403, 'This installation has been suspended');
    const { permissions } = installation;
    const token = { token: '', installationId: installation.id, repositoryIds: undefined, permissions };
    return { kind: 'installation', installation, token: { ...token, expiresAt: 0 } };
  }

  function repositoryOf(ref: RepositoryRef, need: Need): Repository {
    const actor = actorOf(installationOf(ref));
    const { repository } = findRepository(state, actor, ref.owner, ref.name);
    authorize(actor, repository, need);
    return repository;
  }

  /** By a new token for this repository alone, as the adapter asks for one. */
  function nameByNewToken(installationId: number, repositoryId: number): Repository | undefined {
    return unlessRefused('apps/create-installation-access-token', () => {
      actorOf(installationId);
      const installation = github.installations.get(installationId);
      const found = github.installations.repositoriesOf(installation).find(({ id }) => id === repositoryId);
      if (!found) throw new GithubError(422, 'There is at least one repository that does not exist');
      return found;
    });
  }

  function unlessRefused<T>(operation: string, ask: () => T): T | undefined {
    try {
      github.faults.check(operation);
      return ask();
    } catch (error) {
      if (isRefusal(asThrown(error)) || (error instanceof GithubError && error.status === 422))
        return undefined;
      throw error;
    }
  }

  /** 404 told apart from the other refusals. */
  function answerOr<T, R>(refused: R, operation: string, ask: () => T): T | R | 'missing' {
    try {
      github.faults.check(operation);
      return ask();
    } catch (error) {
      if (!isRefusal(asThrown(error))) throw error;
      return error instanceof GithubError && error.status === 404 ? 'missing' : refused;
    }
  }

  function questionsAbout(number: number): GitHubQuestions {
    return {
      async pull(ref) {
        if (!nameByNewToken(installationOf(ref), ref.repositoryId)) return 'refused';
        return answerOr('refused', 'pulls/get', () => {
          const repository = repositoryOf(ref, reading);
          return { repositoryId: repository.id, pull: present(repository, number) };
        });
      },
      async hasIssue(ref) {
        const found = answerOr(undefined, 'issues/get', () =>
          github.pulls.get(repositoryOf(ref, reading), number),
        );
        return found === 'missing' ? false : found && true;
      },
      async nameByNewToken(installationId, repositoryId) {
        const found = nameByNewToken(installationId, repositoryId);
        return found && { owner: found.owner.login, name: found.name };
      },
      installationOf: async (owner, name) =>
        unlessRefused('apps/get-repo-installation', () => {
          const wanted = `${owner}/${name}`.toLowerCase();
          const repositoryId =
            [...state.repositories.values()].find((one) => fullName(one) === wanted)?.id ??
            state.moved.get(wanted);
          const found = [...state.installations.values()].find((one) =>
            github.installations.repositoriesOf(one).some(({ id }) => id === repositoryId),
          );
          if (!found) throw notFound();
          return found.id;
        }),
      knowsApp: async () => unlessRefused('apps/get-authenticated', () => true) === true,
      installations: async () =>
        unlessRefused('apps/list-installations', () =>
          [...state.installations.values()].map(({ id, suspendedAt }) => ({
            id,
            suspended: suspendedAt !== null,
          })),
        ),
      covers: async (installationId, repositoryId) =>
        unlessRefused('apps/list-repos-accessible-to-installation', () => {
          actorOf(installationId);
          const installation = github.installations.get(installationId);
          return github.installations.repositoriesOf(installation).some(({ id }) => id === repositoryId);
        }),
    };
  }

  function present(repository: Repository, number: number): PullRequest {
    const pull = github.pulls.get(repository, number);
    const head = state.repositories.get(pull.headRepositoryId);
    return {
      state: pull.state,
      merged: pull.mergedAt !== null,
      sha: pull.headSha,
      branch: pull.headRef,
      baseBranch: pull.baseRef,
      draft: pull.draft,
      fork: head?.id !== repository.id,
      bot: pull.author.type === 'Bot',
      archived: repository.archived,
      author: pull.author.login,
      title: pull.title,
      owner: repository.owner.login,
      repository: repository.name,
    };
  }

  /** As the adapter: only an answer of 200 says that a file is not there. */
  async function inCommit<T>(ref: RepositoryRef, operation: string, read: () => T): Promise<T> {
    try {
      return await inRepository(ref, operation, reading, read);
    } catch (error) {
      if (!(error instanceof GithubError) || error.status !== 404) throw error;
      throw new EphError('transient', 'github_not_there_yet', 'not there yet');
    }
  }

  /** A call about one repository; what is refused because the App has lost it is told apart as the adapter does. */
  async function inRepository<T>(
    ref: RepositoryRef,
    operation: string,
    need: Need,
    call: (repository: Repository) => T,
  ): Promise<T> {
    try {
      github.faults.check(operation);
      const repository = repositoryOf(ref, need);
      // A token for this repository alone is no good for one that the installation does not have.
      if (!nameByNewToken(installationOf(ref), ref.repositoryId)) throw notFound();
      return call(repository);
    } catch (error) {
      if (!isRefusal(asThrown(error))) throw error;
      if (nameByNewToken(installationOf(ref), ref.repositoryId)) throw error;
      throw new EphError('transient', 'github_no_access', 'the App has lost the repository');
    }
  }

  return withErrors<GithubWire>(
    {
      read: (question) => findPullRequest(questionsAbout(question.number), question),
      readRoot: (ref, sha) =>
        inCommit(ref, 'git/get-tree', () => [
          ...new Set(Object.keys(options.files(sha)).map((path) => path.split('/')[0] ?? '')),
        ]),
      readFile: (ref, sha, path) =>
        inCommit(ref, 'repos/get-content', () => {
          return options.files(sha)[path];
        }),
      archiveUrl: (ref, sha) =>
        inRepository(ref, 'repos/download-tarball-archive', reading, (repository) => {
          return `https://codeload.test/${repository.id}/${sha}?token=temporary`;
        }),
      checkoutToken: (ref) =>
        inRepository(ref, 'apps/create-installation-access-token', reading, (repository) => {
          return {
            url: `https://github.test/${repository.owner.login}/${repository.name}.git`,
            token: 'ghs_x',
          };
        }),
      upsertComment: (ref, number, { commentId, marker, body, mayCreate }) =>
        inRepository(ref, 'issues/create-comment', commenting, (repository) => {
          const pull = github.pulls.get(repository, number);
          const known = pull.comments.find((one) =>
            commentId === undefined
              ? one.viaApp && one.author === state.app.bot && one.body.startsWith(marker)
              : one.id === commentId,
          );
          if (!known && !mayCreate) return { id: commentId ?? 0, body: undefined };
          if (!known) {
            const { id } = github.comments.create(repository, pull, state.app.bot, body);
            return { id, body };
          }
          github.comments.update(repository, pull, known, state.app.bot, body);
          return { id: known.id, body };
        }),
      readComment: (ref, id) =>
        inRepository(
          ref,
          'issues/get-comment',
          reading,
          (repository) =>
            [...repository.pulls.values()].flatMap(({ comments }) => comments).find((one) => one.id === id)
              ?.body,
        ),
      isInMergeQueue: (ref, sha) =>
        inRepository(ref, 'repos/list-branches-for-head-commit', reading, (repository) =>
          [...repository.branches].some(
            ([name, head]) => head === sha && name.startsWith('gh-readonly-queue/'),
          ),
        ),
      openPullsOf: (ref, sha) =>
        inRepository(ref, 'repos/list-pull-requests-associated-with-commit', reading, (repository) =>
          [...repository.pulls.values()]
            .filter((pull) => pull.state === 'open' && pull.headSha === sha)
            .map(({ number }) => number),
        ),
      setStatus: (ref, sha, status) =>
        inRepository(ref, 'repos/create-commit-status', stating, (repository) => {
          github.statuses.create(repository, state.app.bot, {
            sha,
            state: status.state,
            context: 'eph/preview',
            description: status.description,
            targetUrl: status.url ?? null,
          });
          return status;
        }),
      readStatus: (ref, sha) =>
        inRepository(ref, 'repos/get-combined-status-for-ref', reading, (repository) => {
          const found = github.statuses
            .latest(repository, sha)
            .find(({ context }) => context === 'eph/preview');
          if (!found) return undefined;
          const { state, description, targetUrl } = found;
          return { state, description: description ?? '', ...(targetUrl ? { url: targetUrl } : {}) };
        }),
      findDeployments: (ref, sha, environment) =>
        inRepository(ref, 'repos/list-deployments', reading, (repository) =>
          repository.deployments
            .filter((one) => one.viaApp && one.sha === sha && one.environment === environment)
            .reverse()
            .map(({ id, description }) => ({ id, mark: description ?? undefined })),
        ),
      readDeploymentState: (ref, deploymentId) =>
        inRepository(
          ref,
          'repos/list-deployment-statuses',
          reading,
          (repository) =>
            repository.deployments.find(({ id }) => id === deploymentId)?.statuses.at(-1)?.state,
        ),
      createDeployment: (ref, sha, environment, mark) =>
        inRepository(ref, 'repos/create-deployment', deploying, (repository) => {
          const { id } = github.deployments.create(repository, state.app.bot, {
            sha,
            ref: sha,
            task: 'deploy',
            environment,
            description: mark,
            payload: {},
            transient: true,
            production: false,
            requiredContexts: [],
          });
          return { id };
        }),
      setDeploymentStatus: (ref, deploymentId, status) =>
        inRepository(ref, 'repos/create-deployment-status', deploying, (repository) => {
          const deployment = github.deployments.get(repository, deploymentId);
          github.deployments.addStatus(repository, deployment, state.app.bot, {
            state: status.state,
            description: status.description,
            environment: undefined,
            environmentUrl: status.url ?? '',
            logUrl: '',
            autoInactive: false,
          });
        }),
      async deliveries(cursor) {
        github.faults.check('apps/list-webhook-deliveries');
        const { shown, next } = github.deliveries.page(state.app, { cursor });
        const attempts = shown.map(({ id, guid, deliveredAt, outcome, redelivery }) => {
          const { statusCode = 0 } = outcome ?? {};
          const ok = statusCode >= 200 && statusCode < 300;
          return { id: String(id), guid, at: deliveredAt, ok, redelivery };
        });
        return { attempts, next };
      },
      async redeliver(deliveryId) {
        github.faults.check('apps/redeliver-webhook-delivery');
        github.deliveries.redeliver(BigInt(deliveryId));
      },
    },
    (error) => (error instanceof GithubError ? asGitHubError(asThrown(error), options.now()) : error),
  );
}

function fullName({ owner, name }: Repository): string {
  return `${owner.login}/${name}`.toLowerCase();
}

/** As Octokit throws it. */
function asThrown(error: unknown): unknown {
  if (!(error instanceof GithubError)) return error;
  const { status, headers } = error;
  return Object.assign(new Error(error.message), { status, response: { headers } });
}
