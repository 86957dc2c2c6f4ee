import { createHash, sign } from 'node:crypto';
import { covers, holds } from './access.ts';
import type { GithubContext } from './github-context.ts';
import { GithubError, notFound } from './github-error.ts';
import type {
  Account,
  App,
  Installation,
  InstallationToken,
  Permissions,
  Repository,
} from './github-state.ts';
import { presentInstallation } from './present-installation.ts';
import { presentRepositoryName } from './present-repository.ts';

export type Installations = ReturnType<typeof createInstallations>;

export interface TokenScope {
  repositoryIds?: readonly number[];
  repositories?: readonly string[];
  permissions?: Permissions;
}

const TOKEN_LIFE_MS = 3_600_000;

/**
 * Installations of the App and their tokens.
 *
 * Gotchas
 * - A token is a snapshot of permissions but not of existence: suspension, deletion and removal of a
 *   repository take effect on tokens already given out.
 * - Tokens have the form of 2026: `ghs_<app id>_<web token>`, about 520 characters, dots inside. Whoever
 *   expects 40 letters or digits fails here instead of in production.
 */
export function createInstallations(context: GithubContext, signingKey: string) {
  const { state, links } = context;

  const repositoriesOf = (installation: Installation): Repository[] =>
    [...state.repositories.values()].filter((repository) => covers(installation, repository));

  const emit = (installation: Installation, sender: Account, action: string, extra: object = {}): void => {
    context.emit({ name: 'installation', installation, sender, payload: { action, ...extra } });
  };

  const named = (installation: Installation) => ({
    repositories: repositoriesOf(installation).map(presentRepositoryName),
  });

  const emitRepositories = (
    installation: Installation,
    sender: Account,
    action: 'added' | 'removed',
    which: Repository[],
  ) => {
    installation.updatedAt = context.now();
    const names = which.map(presentRepositoryName);
    context.emit({
      name: 'installation_repositories',
      installation,
      sender,
      payload: {
        action,
        repository_selection: installation.selection,
        repositories_added: action === 'added' ? names : [],
        repositories_removed: action === 'removed' ? names : [],
        requester: null,
      },
    });
  };

  const narrowedTo = (installation: Installation, scope: TokenScope): Set<number> | undefined => {
    if (!scope.repositoryIds && !scope.repositories) return undefined;
    const available = repositoriesOf(installation);
    const chosen = [
      ...(scope.repositoryIds ?? []).map((id) => available.find((one) => one.id === id)),
      ...(scope.repositories ?? []).map((name) => available.find((one) => one.name === name)),
    ];
    const found = chosen.filter((one) => one !== undefined);
    if (found.length < chosen.length) {
      throw new GithubError(
        422,
        'There is at least one repository that does not exist or is not accessible to the parent installation.',
      );
    }
    return new Set(found.map((one) => one.id));
  };

  const narrowedPermissions = (installation: Installation, scope: TokenScope): Permissions => {
    const wanted: Permissions = { metadata: 'read', ...(scope.permissions ?? installation.permissions) };
    for (const [name, level] of Object.entries(wanted)) {
      if (!holds(installation.permissions, `${name}:${level}`)) {
        throw new GithubError(422, 'The permissions requested are not granted to this installation.');
      }
    }
    return wanted;
  };

  return {
    repositoriesOf,

    get(id: number): Installation {
      const installation = state.installations.get(id);
      if (!installation) throw notFound();
      return installation;
    },

    create(
      account: Account,
      sender: Account,
      repositoryIds?: readonly number[],
      app: App = state.app,
    ): Installation {
      const at = context.now();
      const installation: Installation = {
        id: context.nextNumber(),
        app,
        account,
        selection: repositoryIds ? 'selected' : 'all',
        repositoryIds: new Set(repositoryIds),
        permissions: app.permissions,
        events: app.events,
        createdAt: at,
        updatedAt: at,
        suspendedAt: null,
        suspendedBy: null,
      };
      state.installations.set(installation.id, installation);
      emit(installation, sender, 'created', { ...named(installation), requester: null });
      return installation;
    },

    /** Uninstalls the App from an account; its tokens become invalid. */
    remove(installation: Installation, sender: Account): void {
      emit(installation, sender, 'deleted', named(installation));
      state.installations.delete(installation.id);
    },

    suspend(installation: Installation, sender: Account): void {
      if (installation.suspendedAt !== null) return;
      installation.suspendedAt = context.now();
      installation.suspendedBy = sender;
      emit(installation, sender, 'suspend', named(installation));
    },

    unsuspend(installation: Installation, sender: Account): void {
      if (installation.suspendedAt === null) return;
      installation.suspendedAt = null;
      installation.suspendedBy = null;
      emit(installation, sender, 'unsuspend', named(installation));
    },

    addRepositories(installation: Installation, sender: Account, which: Repository[]): void {
      for (const repository of which) installation.repositoryIds.add(repository.id);
      emitRepositories(installation, sender, 'added', which);
    },

    /** If the installation has "all", it becomes "selected" with all the other repositories. */
    removeRepositories(installation: Installation, sender: Account, which: Repository[]): void {
      const kept = repositoriesOf(installation).filter((one) => !which.includes(one));
      installation.selection = 'selected';
      installation.repositoryIds = new Set(kept.map((one) => one.id));
      emitRepositories(installation, sender, 'removed', which);
    },

    /** @throws 403 while suspended; 422 for repositories or permissions beyond the installation's. */
    createToken(installation: Installation, scope: TokenScope): InstallationToken {
      if (installation.suspendedAt !== null)
        throw new GithubError(403, 'This installation has been suspended');
      const repositoryIds = narrowedTo(installation, scope);
      const permissions = narrowedPermissions(installation, scope);
      const expiresAt = context.now() + TOKEN_LIFE_MS;
      const token: InstallationToken = {
        token: `ghs_${installation.app.id}_${webToken({ iat: Math.floor(context.now() / 1000), exp: Math.floor(expiresAt / 1000) })}`,
        installationId: installation.id,
        repositoryIds,
        permissions,
        expiresAt,
      };
      state.installationTokens.set(token.token, token);
      return token;
    },

    present: (installation: Installation) => presentInstallation(links, installation),
  };

  function webToken(claims: { iat: number; exp: number }): string {
    const jti = createHash('sha256').update(context.newId()).digest('base64url').slice(0, 22);
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const head = `${encode({ alg: 'RS256', typ: 'JWT' })}.${encode({ ...claims, iss: 'github', jti })}`;
    return `${head}.${sign('RSA-SHA256', Buffer.from(head), signingKey).toString('base64url')}`;
  }
}
