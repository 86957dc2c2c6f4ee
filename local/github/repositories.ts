import { covers } from './access.ts';
import type { GithubContext } from './github-context.ts';
import { GithubError, validationFailed } from './github-error.ts';
import type { Account, PullRequest, Repository } from './github-state.ts';
import { fullName } from './links.ts';
import { presentAccount } from './present-account.ts';
import { presentRepositoryName } from './present-repository.ts';

export interface NewRepository {
  name: string;
  private?: boolean;
  description?: string | null;
  parentId?: number;
}

export interface RepositoryChanges {
  name?: string;
  archived?: boolean;
}

export interface RefUpdate {
  branch: string;
  /** Undefined if the branch is new. */
  before: string | undefined;
  /** Undefined if the branch was deleted. */
  after: string | undefined;
}

export type Repositories = ReturnType<typeof createRepositories>;

export function createRepositories(context: GithubContext) {
  const { state, emit } = context;

  const byName = (owner: string, name: string): Repository | undefined =>
    [...state.repositories.values()].find(
      (one) => fullName(one).toLowerCase() === `${owner}/${name}`.toLowerCase(),
    );

  /** If a new repository gets a former name, the redirect from that name ends. */
  const claimName = (owner: Account, name: string): void => {
    if (!/^[A-Za-z0-9._-]{1,100}$/.test(name)) {
      throw validationFailed({
        resource: 'Repository',
        field: 'name',
        code: 'custom',
        message: 'name is invalid',
      });
    }
    if (byName(owner.login, name)) {
      throw validationFailed({
        resource: 'Repository',
        field: 'name',
        code: 'custom',
        message: 'name already exists on this account',
      });
    }
    state.moved.delete(`${owner.login}/${name}`.toLowerCase());
  };

  const touch = (repository: Repository): void => {
    repository.updatedAt = context.now();
  };

  const change = (repository: Repository, sender: Account, action: string, changes?: object): void => {
    touch(repository);
    emit({ name: 'repository', repository, sender, payload: { action, ...(changes ? { changes } : {}) } });
  };

  return {
    create(owner: Account, sender: Account, wanted: NewRepository): Repository {
      claimName(owner, wanted.name);
      const at = context.now();
      const repository: Repository = {
        id: context.nextNumber(),
        owner,
        name: wanted.name,
        private: wanted.private ?? false,
        archived: false,
        description: wanted.description ?? null,
        defaultBranch: 'main',
        parentId: wanted.parentId ?? null,
        createdAt: at,
        updatedAt: at,
        pushedAt: at,
        branches: new Map(),
        pulls: new Map(),
        statuses: [],
        deployments: [],
      };
      state.repositories.set(repository.id, repository);
      emit({ name: 'repository', repository, sender, payload: { action: 'created' } });
      return repository;
    },

    /** Each kind of change has its own event, as on GitHub. @throws 422, or 403 for an archived repository. */
    update(repository: Repository, sender: Account, changes: RepositoryChanges): void {
      if (repository.archived && changes.archived !== false) {
        throw new GithubError(403, 'Repository was archived so is read-only.');
      }
      if (changes.archived !== undefined && changes.archived !== repository.archived) {
        repository.archived = changes.archived;
        change(repository, sender, changes.archived ? 'archived' : 'unarchived');
      }
      if (changes.name !== undefined && changes.name !== repository.name) {
        const from = repository.name;
        const former = fullName(repository).toLowerCase();
        claimName(repository.owner, changes.name);
        repository.name = changes.name;
        state.moved.set(former, repository.id);
        change(repository, sender, 'renamed', { repository: { name: { from } } });
      }
    },

    /**
     * The event goes to the new owner's installation only; the former owner's learns of it as a removed
     * repository, if it had been chosen one by one.
     */
    transfer(repository: Repository, sender: Account, owner: Account): void {
      const from = repository.owner;
      const former = fullName(repository).toLowerCase();
      claimName(owner, repository.name);
      const left = [...state.installations.values()].filter((one) => covers(one, repository));
      repository.owner = owner;
      state.moved.set(former, repository.id);
      for (const installation of left) {
        installation.repositoryIds.delete(repository.id);
        emit({
          name: 'installation_repositories',
          installation,
          sender,
          payload: {
            action: 'removed',
            repository_selection: installation.selection,
            repositories_added: [],
            repositories_removed: [presentRepositoryName(repository)],
            requester: null,
          },
        });
      }
      const kind = from.type === 'Organization' ? 'organization' : 'user';
      change(repository, sender, 'transferred', {
        owner: { from: { [kind]: presentAccount(context.links, from) } },
      });
    },

    /** Forks of it stay, without a parent; its pull requests are deleted, and those from it have a null head. */
    remove(repository: Repository, sender: Account): void {
      emit({ name: 'repository', repository, sender, payload: { action: 'deleted' } });
      state.repositories.delete(repository.id);
      for (const other of state.repositories.values()) {
        if (other.parentId === repository.id) other.parentId = null;
      }
    },

    /**
     * Records git's branches. Returns the open pull requests whose head moved or vanished, for which the caller
     * fetches the commits and calls `pulls.headMoved` or `pulls.close`.
     */
    recordPush(
      repository: Repository,
      sender: Account,
      updates: readonly RefUpdate[],
    ): { pull: PullRequest; base: Repository; update: RefUpdate }[] {
      const at = context.now();
      repository.pushedAt = at;
      touch(repository);
      for (const update of updates) {
        if (update.after === undefined) repository.branches.delete(update.branch);
        else repository.branches.set(update.branch, update.after);
        emit({
          name: 'push',
          repository,
          sender,
          payload: {
            ref: `refs/heads/${update.branch}`,
            before: update.before ?? '0'.repeat(40),
            after: update.after ?? '0'.repeat(40),
            created: update.before === undefined,
            deleted: update.after === undefined,
            forced: false,
            base_ref: null,
            commits: [],
            head_commit: null,
            pusher: { name: sender.login, email: null },
          },
        });
      }
      return [...state.repositories.values()].flatMap((base) =>
        [...base.pulls.values()].flatMap((pull) => {
          const update = updates.find((one) => one.branch === pull.headRef);
          const concerned = pull.state === 'open' && pull.headRepositoryId === repository.id;
          return update && concerned ? [{ pull, base, update }] : [];
        }),
      );
    },
  };
}
