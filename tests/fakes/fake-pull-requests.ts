import { asGitHubError } from '../../lambdas/adapters/github-pull-requests.ts';
import { withErrors } from '../../lambdas/adapters/with-errors.ts';
import type { PullRequests, RepositoryRef } from '../../lambdas/ports.ts';
import { type Actor, authorize, findRepository, type Need } from '../../local/github/access.ts';
import type { Github } from '../../local/github/github.ts';
import { GithubError } from '../../local/github/github-error.ts';
import type { Repository } from '../../local/github/github-state.ts';

interface FakePullRequestsOptions {
  now(): number;
  /** Git is not in the state machine: what a commit contains, path -> text. */
  files(sha: string): Readonly<Record<string, string>>;
}

const reading: Need = { grants: ['contents:read'], role: 'read', writes: false };
const commenting: Need = { grants: ['pull_requests:write'], role: 'read', writes: true };
const deploying: Need = { grants: ['deployments:write'], role: 'write', writes: true };
const stating: Need = { grants: ['statuses:write'], role: 'write', writes: true };

/** The port over GitHub's state machine: rights, redirects and refusals are GitHub's, their reading the adapter's. */
export function fakePullRequests(github: Github, options: FakePullRequestsOptions): PullRequests {
  const { state } = github;

  function actorOf(ref: RepositoryRef): Actor {
    const installation = github.installations.get(ref.installationId);
    if (installation.suspendedAt !== null) throw new GithubError(403, 'This installation has been suspended');
    const { permissions } = installation;
    const token = { token: '', installationId: installation.id, repositoryIds: undefined, permissions };
    return { kind: 'installation', installation, token: { ...token, expiresAt: 0 } };
  }

  function repositoryOf(ref: RepositoryRef, operation: string, need: Need): Repository {
    github.faults.check(operation);
    const actor = actorOf(ref);
    const { repository } = findRepository(state, actor, ref.owner, ref.name);
    authorize(actor, repository, need);
    return repository;
  }

  return withErrors<PullRequests>(
    {
      async read(ref, repositoryId, number) {
        try {
          const repository = repositoryOf(ref, 'pulls/get', reading);
          const pull = github.pulls.get(repository, number);
          if (repository.id !== repositoryId) return { kind: 'absent' };
          const head = state.repositories.get(pull.headRepositoryId);
          return {
            kind: 'known',
            pull: {
              state: pull.state,
              merged: pull.mergedAt !== null,
              sha: pull.headSha,
              branch: pull.headRef,
              baseBranch: pull.baseRef,
              draft: pull.draft,
              fork: head?.id !== repositoryId,
              bot: pull.author.type === 'Bot',
              archived: repository.archived,
              author: pull.author.login,
              title: pull.title,
              owner: repository.owner.login,
              repository: repository.name,
            },
          };
        } catch (error) {
          if (!(error instanceof GithubError)) throw error;
          if (error.status === 404 || /suspended/.test(error.message)) return { kind: 'absent' };
          throw error;
        }
      },
      async readFile(ref, sha, path) {
        repositoryOf(ref, 'repos/get-content', reading);
        return options.files(sha)[path];
      },
      async archiveUrl(ref, sha) {
        const repository = repositoryOf(ref, 'repos/download-tarball-archive', reading);
        return `https://codeload.test/${repository.id}/${sha}?token=temporary`;
      },
      async checkoutToken(ref) {
        const repository = repositoryOf(ref, 'apps/create-installation-access-token', reading);
        return {
          url: `https://github.test/${repository.owner.login}/${repository.name}.git`,
          token: 'ghs_x',
        };
      },
      async upsertComment(ref, number, commentId, marker, body) {
        const repository = repositoryOf(ref, 'issues/create-comment', commenting);
        const pull = github.pulls.get(repository, number);
        const known = pull.comments.find((one) =>
          commentId === undefined
            ? one.viaApp && one.author === state.app.bot && one.body.startsWith(marker)
            : one.id === commentId,
        );
        if (!known) return { id: github.comments.create(repository, pull, state.app.bot, body).id };
        github.comments.update(repository, pull, known, state.app.bot, body);
        return { id: known.id };
      },
      async setStatus(ref, sha, status) {
        const repository = repositoryOf(ref, 'repos/create-commit-status', stating);
        github.statuses.create(repository, state.app.bot, {
          sha,
          state: status.state,
          context: 'eph/preview',
          description: status.description,
          targetUrl: status.url ?? null,
        });
      },
      async findDeployment(ref, sha, environment) {
        const repository = repositoryOf(ref, 'repos/list-deployments', reading);
        const found = repository.deployments.findLast(
          (one) => one.viaApp && one.sha === sha && one.environment === environment,
        );
        return found && { id: found.id };
      },
      async createDeployment(ref, sha, environment) {
        const repository = repositoryOf(ref, 'repos/create-deployment', deploying);
        const { id } = github.deployments.create(repository, state.app.bot, {
          sha,
          ref: sha,
          task: 'deploy',
          environment,
          description: null,
          payload: {},
          transient: true,
          production: false,
          requiredContexts: [],
        });
        return { id };
      },
      async setDeploymentStatus(ref, deploymentId, status) {
        const repository = repositoryOf(ref, 'repos/create-deployment-status', deploying);
        const deployment = github.deployments.get(repository, deploymentId);
        github.deployments.addStatus(repository, deployment, state.app.bot, {
          state: status.state,
          description: status.description,
          environment: undefined,
          environmentUrl: status.url ?? '',
          logUrl: '',
          autoInactive: false,
        });
      },
      async failedDeliveries(since) {
        const newest = new Map<string, { id: string; guid: string; at: number; ok: boolean }>();
        for (const { id, guid, deliveredAt, outcome } of github.deliveries.list(state.app, undefined)) {
          if (deliveredAt < since) continue;
          const ok = (outcome?.statusCode ?? 0) >= 200 && (outcome?.statusCode ?? 0) < 300;
          const known = newest.get(guid);
          newest.set(
            guid,
            known ? { ...known, ok: known.ok || ok } : { id: String(id), guid, at: deliveredAt, ok },
          );
        }
        return [...newest.values()].filter(({ ok }) => !ok);
      },
      redeliver: async (deliveryId) => github.deliveries.redeliver(BigInt(deliveryId)),
    },
    (error) => asPortError(error, options.now()),
  );
}

/** As Octokit throws it. */
function asPortError(error: unknown, now: number): unknown {
  if (!(error instanceof GithubError)) return error;
  const { status, headers } = error;
  return asGitHubError(Object.assign(new Error(error.message), { status, response: { headers } }), now);
}
