import type { PullRequest } from '#core/environment';
import { EphError } from '#core/failure';
import { withErrors } from '../../lambdas/adapters/with-errors.ts';
import type { RepositoryRef } from '../../lambdas/ports.ts';
import { findPullRequest, type GitHubQuestions } from '../../lambdas/providers/github/find-pull-request.ts';
import { installationOf as idOf } from '../../lambdas/providers/github/github-client.ts';
import { asGitHubError, isRefusal, statusOf } from '../../lambdas/providers/github/github-error.ts';
import type { GithubWire } from '../../lambdas/providers/github/github-wire.ts';
import { repositoryTokens } from '../../lambdas/providers/github/repository-tokens.ts';
import { type Actor, authorize, findRepository, type Need } from '../../local/github/access.ts';
import type { Github } from '../../local/github/github.ts';
import { GithubError, notFound } from '../../local/github/github-error.ts';
import type { Repository } from '../../local/github/github-state.ts';
import { reading as readingOf, type Wire, writing } from './wire.ts';

interface FakeGithubOptions {
  now(): number;
  /** The files of each commit, path -> text, because the state machine has no Git. */
  files(sha: string): Readonly<Record<string, string>>;
}

const reading: Need = { grants: ['contents:read'], role: 'read', writes: false };
const commenting: Need = { grants: ['pull_requests:write'], role: 'read', writes: true };
const deploying: Need = { grants: ['deployments:write'], role: 'write', writes: true };
const stating: Need = { grants: ['statuses:write'], role: 'write', writes: true };

const PAGE = 100;

/** A token for one repository, and GitHub's name of the repository when the token was made. */
interface Access {
  installationId: number;
  repositoryId: number;
  owner: string;
  name: string;
}

/**
 * The forge's wire over GitHub's state machine: rights, redirects and refusals are GitHub's, and the reading of them
 * and the calls of each method are the product's. Tokens are kept, as by a warm process; the result is one such
 * process, whose calls may go over several wires.
 */
export function fakeGithubWire(github: Github, options: FakeGithubOptions): (wire: Wire) => GithubWire {
  const { state } = github;
  const kept = new Map<string, { access: Access; until: number }>();
  return (wire) => githubOver(wire, github, options, state, kept);
}

function githubOver(
  wire: Wire,
  github: Github,
  options: FakeGithubOptions,
  state: Github['state'],
  kept: Map<string, { access: Access; until: number }>,
): GithubWire {
  const tokens = repositoryTokens(makeToken, options.now, kept);

  /** One call to GitHub. */
  function ask<T>(operation: string, about: string | number, answer: () => T, writes = false): Promise<T> {
    const op = writes ? writing(`github ${operation}`, about) : readingOf(`github ${operation}`, about);
    return wire(op, () => {
      try {
        github.faults.check(operation);
        return answer();
      } catch (error) {
        throw asThrown(error);
      }
    });
  }

  async function unlessRefused<T>(asked: Promise<T>): Promise<T | undefined> {
    try {
      return await asked;
    } catch (error) {
      if (isRefusal(error) || statusOf(error) === 422) return undefined;
      throw error;
    }
  }

  function installationOf(id: number) {
    const installation = github.installations.get(id);
    if (installation.suspendedAt !== null) throw new GithubError(403, 'This installation has been suspended');
    return installation;
  }

  function makeToken(installationId: number, repositoryId: number): Promise<Access | undefined> {
    return unlessRefused(
      ask('apps/create-installation-access-token', installationId, () => {
        const installation = installationOf(installationId);
        const found = github.installations.repositoriesOf(installation).find(({ id }) => id === repositoryId);
        if (!found) throw new GithubError(422, 'There is at least one repository that does not exist');
        return { installationId, repositoryId, owner: found.owner.login, name: found.name };
      }),
    );
  }

  /** The repository as the token of `access` sees it, by the name that the caller knows. */
  function repositoryOf(ref: RepositoryRef, access: Access, need: Need): Repository {
    if (!state.installations.has(access.installationId)) throw new GithubError(401, 'Bad credentials');
    const installation = installationOf(access.installationId);
    const token = {
      token: '',
      installationId: installation.id,
      repositoryIds: new Set([access.repositoryId]),
      permissions: installation.permissions,
      expiresAt: 0,
    };
    const actor: Actor = { kind: 'installation', installation, token };
    const { repository } = findRepository(state, actor, ref.owner, ref.name);
    authorize(actor, repository, need);
    return repository;
  }

  type Call<T> = (access: Access) => Promise<T>;
  type Outcome<T> = { kind: 'done'; value: T } | { kind: 'refused'; error: unknown };

  async function inRepositoryOnce<T>(ref: RepositoryRef, call: Call<T>): Promise<Outcome<T>> {
    let access = await tokens.get(idOf(ref), ref.repositoryId);
    for (let attempt = 1; access; attempt += 1) {
      try {
        return { kind: 'done', value: await call(access) };
      } catch (error) {
        if (!isRefusal(error)) throw error;
        if (statusOf(error) !== 401 || attempt > 1) return { kind: 'refused', error };
        access = await tokens.renew(idOf(ref), ref.repositoryId);
      }
    }
    return { kind: 'refused', error: undefined };
  }

  async function inRepository<T>(ref: RepositoryRef, call: Call<T>): Promise<T> {
    const outcome = await inRepositoryOnce(ref, call);
    if (outcome.kind === 'done') return outcome.value;
    const stillHasIt = await tokens.renew(idOf(ref), ref.repositoryId);
    if (stillHasIt && outcome.error !== undefined) throw outcome.error;
    throw new EphError('transient', 'github_no_access', 'the App has lost the repository');
  }

  /** One call about the repository. */
  function inOne<T>(
    ref: RepositoryRef,
    operation: string,
    need: Need,
    about: string | number,
    call: (repository: Repository) => T,
  ): Promise<T> {
    return inRepository(ref, (access) =>
      ask(operation, about, () => call(repositoryOf(ref, access, need)), need.writes),
    );
  }

  /** Only an answer of 200 says that a file is not there. */
  async function inCommit<T>(ref: RepositoryRef, operation: string, sha: string, read: () => T): Promise<T> {
    return inRepository(ref, (access) =>
      ask(operation, sha, () => {
        repositoryOf(ref, access, reading);
        return read();
      }).catch((error: unknown) => {
        if (statusOf(error) !== 404) throw error;
        throw new EphError('transient', 'github_not_there_yet', 'not there yet');
      }),
    );
  }

  /** Reads page by page, until one is not full. */
  async function everyPage<T>(page: (from: number) => Promise<readonly T[]>): Promise<T[]> {
    const found: T[] = [];
    for (;;) {
      const shown = await page(found.length);
      found.push(...shown);
      if (shown.length < PAGE) return found;
    }
  }

  function questionsAbout(number: number): GitHubQuestions {
    return {
      async pull(ref) {
        const answer = await inRepositoryOnce(ref, (access) =>
          ask('pulls/get', number, () => {
            const repository = repositoryOf(ref, access, reading);
            return { repositoryId: repository.id, pull: present(repository, number) };
          }),
        );
        if (answer.kind === 'done') return answer.value;
        return statusOf(answer.error) === 404 ? 'missing' : 'refused';
      },
      async hasIssue(ref) {
        const answer = await inRepositoryOnce(ref, (access) =>
          ask('issues/get', number, () => github.pulls.get(repositoryOf(ref, access, reading), number)),
        );
        if (answer.kind === 'done') return true;
        return statusOf(answer.error) === 404 ? false : undefined;
      },
      async nameByNewToken(installationId, repositoryId) {
        const access = await tokens.renew(installationId, repositoryId);
        return access && { owner: access.owner, name: access.name };
      },
      installationOf: (owner, name) =>
        unlessRefused(
          ask('apps/get-repo-installation', `${owner}/${name}`, () => {
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
        ),
      knowsApp: async () => (await unlessRefused(ask('apps/get-authenticated', '', () => true))) === true,
      installations: () =>
        unlessRefused(
          everyPage((from) =>
            ask('apps/list-installations', '', () =>
              [...state.installations.values()]
                .slice(from, from + PAGE)
                .map(({ id, suspendedAt }) => ({ id, suspended: suspendedAt !== null })),
            ),
          ),
        ),
      covers: (installationId, repositoryId) => unlessRefused(covers(installationId, repositoryId)),
    };
  }

  async function covers(installationId: number, repositoryId: number): Promise<boolean> {
    await ask('apps/create-installation-access-token', installationId, () => installationOf(installationId));
    for (let from = 0; ; from += PAGE) {
      const shown = await ask('apps/list-repos-accessible-to-installation', installationId, () =>
        github.installations.repositoriesOf(installationOf(installationId)).slice(from, from + PAGE),
      );
      if (shown.some(({ id }) => id === repositoryId)) return true;
      if (shown.length < PAGE) return false;
    }
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

  /** Found by Eph's own authorship too, because anybody can write the marker. */
  async function* comments(
    ref: RepositoryRef,
    access: Access,
    number: number,
    marker: string,
  ): AsyncGenerator<number> {
    for (let from = 0; ; from += PAGE) {
      const shown = await ask('issues/list-comments', number, () =>
        github.pulls.get(repositoryOf(ref, access, reading), number).comments.slice(from, from + PAGE),
      );
      const ours = shown.filter(
        (one) => one.viaApp && one.author === state.app.bot && one.body.startsWith(marker),
      );
      for (const { id } of ours) yield id;
      if (shown.length < PAGE) return;
    }
  }

  async function findComment(...where: Parameters<typeof comments>): Promise<number | undefined> {
    for await (const id of comments(...where)) return id;
    return undefined;
  }

  return withErrors<GithubWire>(
    {
      read: (question) => findPullRequest(questionsAbout(question.number), question),
      readRoot: (ref, sha) =>
        inCommit(ref, 'git/get-tree', sha, () => [
          ...new Set(Object.keys(options.files(sha)).map((path) => path.split('/')[0] ?? '')),
        ]),
      readFile: (ref, sha, path) =>
        inCommit(ref, 'repos/get-content', sha, () => {
          return options.files(sha)[path];
        }),
      archiveUrl: (ref, sha) =>
        inOne(ref, 'repos/download-tarball-archive', reading, sha, (repository) => {
          return `https://codeload.test/${repository.id}/${sha}?token=temporary`;
        }),
      checkoutToken: (ref) =>
        inRepository(ref, async (access) => {
          const [repository] = await Promise.all([
            ask('repos/get', ref.repositoryId, () => repositoryOf(ref, access, reading)),
            ask('apps/create-installation-access-token', idOf(ref), () => installationOf(idOf(ref))),
          ]);
          return {
            url: `https://github.test/${repository.owner.login}/${repository.name}.git`,
            token: 'ghs_x',
          };
        }),
      upsertComment: (ref, number, { commentId, marker, body, mayCreate }) =>
        inRepository(ref, async (access) => {
          const known = commentId ?? (await findComment(ref, access, number, marker));
          const change = <T>(operation: string, about: number, how: (repository: Repository) => T) =>
            ask(operation, about, () => how(repositoryOf(ref, access, commenting)), true);
          if (known !== undefined) {
            try {
              return await change('issues/update-comment', known, (repository) => {
                const { pull, comment } = github.comments.find(repository, known);
                github.comments.update(repository, pull, comment, state.app.bot, body);
                return { id: known, body };
              });
            } catch (error) {
              if (statusOf(error) !== 404) throw error;
              if (!mayCreate) return { id: known, body: undefined };
            }
          }
          return change('issues/create-comment', number, (repository) => {
            const pull = github.pulls.get(repository, number);
            return { id: github.comments.create(repository, pull, state.app.bot, body).id, body };
          });
        }),
      findComments: (ref, number, marker) =>
        inRepository(ref, async (access) => {
          const found: number[] = [];
          for await (const id of comments(ref, access, number, marker)) found.push(id);
          return found;
        }),
      deleteComment: (ref, id) =>
        inRepository(ref, (access) =>
          ask(
            'issues/delete-comment',
            id,
            () => {
              const repository = repositoryOf(ref, access, commenting);
              const pulls = [...repository.pulls.values()];
              const pull = pulls.find((one) => one.comments.some((comment) => comment.id === id));
              const comment = pull?.comments.find((one) => one.id === id);
              if (pull && comment) github.comments.remove(repository, pull, comment, state.app.bot);
            },
            true,
          ),
        ),
      readComment: (ref, id) =>
        inOne(
          ref,
          'issues/get-comment',
          reading,
          id,
          (repository) =>
            [...repository.pulls.values()].flatMap(({ comments }) => comments).find((one) => one.id === id)
              ?.body,
        ),
      isInMergeQueue: (ref, sha) =>
        inOne(ref, 'repos/list-branches-for-head-commit', reading, sha, (repository) =>
          [...repository.branches].some(
            ([name, head]) => head === sha && name.startsWith('gh-readonly-queue/'),
          ),
        ),
      openPullsOf: (ref, sha) =>
        inOne(ref, 'repos/list-pull-requests-associated-with-commit', reading, sha, (repository) =>
          [...repository.pulls.values()]
            .filter((pull) => pull.state === 'open' && pull.headSha === sha)
            .map(({ number }) => number),
        ),
      setStatus: (ref, sha, status) =>
        inOne(ref, 'repos/create-commit-status', stating, sha, (repository) => {
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
        inOne(ref, 'repos/get-combined-status-for-ref', reading, sha, (repository) => {
          const found = github.statuses
            .latest(repository, sha)
            .find(({ context }) => context === 'eph/preview');
          if (!found) return undefined;
          const { state, description, targetUrl } = found;
          return { state, description: description ?? '', ...(targetUrl ? { url: targetUrl } : {}) };
        }),
      findDeployments: (ref, sha, environment) =>
        inOne(ref, 'repos/list-deployments', reading, sha, (repository) =>
          repository.deployments
            .filter((one) => one.viaApp && one.sha === sha && one.environment === environment)
            .reverse()
            .map(({ id, description }) => ({ id, mark: description ?? undefined })),
        ),
      readDeploymentState: (ref, deploymentId) =>
        inOne(
          ref,
          'repos/list-deployment-statuses',
          reading,
          deploymentId,
          (repository) =>
            repository.deployments.find(({ id }) => id === deploymentId)?.statuses.at(-1)?.state,
        ),
      createDeployment: (ref, sha, environment, mark) =>
        inOne(ref, 'repos/create-deployment', deploying, sha, (repository) => {
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
        inOne(ref, 'repos/create-deployment-status', deploying, deploymentId, (repository) => {
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
      deliveries: (cursor) =>
        ask('apps/list-webhook-deliveries', '', () => {
          const { shown, next } = github.deliveries.page(state.app, { cursor });
          const attempts = shown.map(({ id, guid, deliveredAt, outcome, redelivery }) => {
            const { statusCode = 0 } = outcome ?? {};
            const ok = statusCode >= 200 && statusCode < 300;
            return { id: String(id), guid, at: deliveredAt, ok, redelivery };
          });
          return { attempts, next };
        }),
      redeliver: (deliveryId) =>
        ask(
          'apps/redeliver-webhook-delivery',
          deliveryId,
          () => github.deliveries.redeliver(BigInt(deliveryId)),
          true,
        ),
    },
    (error) => asGitHubError(error, options.now()),
  );
}

function fullName({ owner, name }: Repository): string {
  return `${owner.login}/${name}`.toLowerCase();
}

/** The error that Octokit throws. */
function asThrown(error: unknown): unknown {
  if (!(error instanceof GithubError)) return error;
  const { status, headers } = error;
  return Object.assign(new Error(error.message), { status, response: { headers } });
}
