import { GithubError, notAccessible, notFound } from './github-error.ts';
import {
  type Account,
  type App,
  atLeast,
  type GithubState,
  type Installation,
  type InstallationToken,
  type Permissions,
  type Repository,
  type Role,
} from './github-state.ts';

/** The caller. */
export type Actor =
  | { kind: 'anonymous' }
  | { kind: 'app'; app: App }
  | { kind: 'user'; account: Account }
  | { kind: 'installation'; installation: Installation; token: InstallationToken };

/** Any one of these permissions lets an installation token through, e.g. `['issues:write', 'pull_requests:write']`. */
export type Grant = `${string}:${'read' | 'write'}`;

export interface Need {
  grants: readonly Grant[];
  /** The role that a person needs on the repository. */
  role: Role;
  /** Whether it writes: archived repositories refuse that. */
  writes: boolean;
}

/** The highest of explicit role, membership and visibility. */
export function roleOf(account: Account, repository: Repository): Role {
  if (repository.owner.id === account.id) return 'admin';
  const roles: Role[] = [
    repository.private ? 'none' : 'read',
    repository.owner.members.get(account.id) ?? 'none',
  ];
  return roles.reduce((best, role) => (atLeast(role, best) ? role : best));
}

export function covers(installation: Installation, repository: Repository): boolean {
  if (installation.account.id !== repository.owner.id) return false;
  return installation.selection === 'all' || installation.repositoryIds.has(repository.id);
}

export function tokenCovers(
  actor: Extract<Actor, { kind: 'installation' }>,
  repository: Repository,
): boolean {
  const narrowed = actor.token.repositoryIds;
  return covers(actor.installation, repository) && (narrowed === undefined || narrowed.has(repository.id));
}

function canSee(actor: Actor, repository: Repository): boolean {
  if (!repository.private) return true;
  if (actor.kind === 'user') return atLeast(roleOf(actor.account, repository), 'read');
  return actor.kind === 'installation' && tokenCovers(actor, repository);
}

/**
 * @throws 404 for a repository that does not exist or that the caller may not see (GitHub does not distinguish them),
 * 301 (307 for anything but GET) to `/repositories/<id>` for a former name.
 */
export function findRepository(
  state: GithubState,
  actor: Actor,
  owner: string,
  name: string,
): { repository: Repository; moved: boolean } {
  const wanted = `${owner}/${name}`.toLowerCase();
  for (const repository of state.repositories.values()) {
    if (`${repository.owner.login}/${repository.name}`.toLowerCase() !== wanted) continue;
    if (!canSee(actor, repository)) throw notFound();
    return { repository, moved: false };
  }
  const moved = state.repositories.get(state.moved.get(wanted) ?? 0);
  if (!moved || !canSee(actor, moved)) throw notFound();
  return { repository: moved, moved: true };
}

export function findRepositoryById(state: GithubState, actor: Actor, id: number): Repository {
  const repository = state.repositories.get(id);
  if (!repository || !canSee(actor, repository)) throw notFound();
  return repository;
}

export function holds(permissions: Permissions, grant: Grant): boolean {
  const [name = '', level] = grant.split(':');
  const held = name === 'metadata' ? (permissions[name] ?? 'read') : permissions[name];
  return held === 'write' || (held === 'read' && level === 'read');
}

/** @throws 403 (or 404, where GitHub hides that the thing exists), 403 for archived ones. */
export function authorize(actor: Actor, repository: Repository, need: Need): void {
  switch (actor.kind) {
    case 'anonymous':
      if (need.role !== 'read' || need.writes) throw new GithubError(401, 'Requires authentication');
      break;
    case 'app':
      throw notAccessible();
    case 'user':
      if (!atLeast(roleOf(actor.account, repository), need.role)) {
        throw need.role === 'admin'
          ? new GithubError(403, 'Must have admin rights to Repository.')
          : refusedWrite();
      }
      break;
    case 'installation': {
      const readsPublic = !repository.private && !need.writes && need.role === 'read';
      if (readsPublic) break;
      if (!tokenCovers(actor, repository)) throw notAccessible();
      if (!need.grants.some((grant) => holds(actor.token.permissions, grant))) throw notAccessible();
      break;
    }
    default:
      throw new Error(`unknown actor ${JSON.stringify(actor satisfies never)}`);
  }
  if (need.writes && repository.archived) {
    throw new GithubError(403, 'Repository was archived so is read-only.');
  }
}

function refusedWrite(): GithubError {
  return new GithubError(403, 'Resource not accessible by personal access token');
}

/** The account in whose name the caller writes. @throws 401 for an anonymous caller. */
export function accountOf(actor: Actor): Account {
  switch (actor.kind) {
    case 'user':
      return actor.account;
    case 'installation':
      return actor.installation.app.bot;
    case 'app':
      return actor.app.bot;
    case 'anonymous':
      throw new GithubError(401, 'Requires authentication');
    default:
      throw new Error(`unknown actor ${JSON.stringify(actor satisfies never)}`);
  }
}

/** The App whose bot this is. */
export function appOfBot(state: GithubState, account: Account): App | null {
  return [...state.apps.values()].find((one) => one.bot.id === account.id) ?? null;
}
