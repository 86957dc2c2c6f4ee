import { accountOf, roleOf } from './access.ts';
import {
  type Call,
  created,
  noContent,
  type Operations,
  ok,
  okPage,
  onRepository,
  type Reply,
  type RepositoryCall,
  reading,
  writing,
} from './call.ts';
import { GithubError, notFound, validationFailed } from './github-error.ts';
import { type Account, atLeast, type Repository, type Role } from './github-state.ts';
import { presentAccount } from './present-account.ts';
import { presentLabel } from './present-pull-request.ts';
import { presentFullRepository, presentRepository, presentRole } from './present-repository.ts';
import type { RepositoryChanges } from './repositories.ts';

const administering = writing('admin', 'administration');

/** Repositories, forks, collaborators and labels. */
export const repositoryOperations: Operations = {
  'repos/create-for-authenticated-user': (call) => {
    const owner = person(call);
    return createRepository(call, owner, owner);
  },

  'repos/create-in-org': (call) => {
    const sender = person(call);
    const owner = call.github.account(call.path['org'] ?? '');
    if (!atLeast(owner.members.get(sender.id) ?? 'none', 'admin')) {
      throw new GithubError(
        403,
        'You need admin access to the organization before adding a repository to it.',
      );
    }
    return createRepository(call, owner, sender);
  },

  'repos/list-for-authenticated-user': (call) => {
    const account = person(call);
    const mine = visible(call).filter((one) => one.owner === account || isMember(account, one));
    return okPage(call, mine, (one) => presentRepository(call.github.links, one));
  },

  'repos/list-for-org': (call) => {
    const owner = call.github.account(call.path['org'] ?? '');
    const theirs = visible(call).filter((one) => one.owner === owner);
    return okPage(call, theirs, (one) => presentRepository(call.github.links, one));
  },

  'repos/get': onRepository(reading('metadata'), (call) => ok(full(call, call.repository))),

  'repos/update': onRepository({ ...administering, writes: false }, async (call) => {
    const { body, github, repository } = call;
    const name = body.text('name');
    const description = body.text('description');
    const isPrivate = body.text('visibility') ? body.text('visibility') === 'private' : body.flag('private');
    const archived = body.flag('archived');
    const defaultBranch = body.text('default_branch');
    if (defaultBranch !== undefined && !repository.branches.has(defaultBranch)) {
      throw validationFailed({ resource: 'Repository', field: 'default_branch', code: 'invalid' });
    }
    const changes: RepositoryChanges = {
      ...(name === undefined ? {} : { name }),
      ...(description === undefined ? {} : { description }),
      ...(isPrivate === undefined ? {} : { private: isPrivate }),
      ...(archived === undefined ? {} : { archived }),
      ...(defaultBranch === undefined ? {} : { defaultBranch }),
    };
    github.repositories.update(repository, call.sender(), changes);
    if (defaultBranch !== undefined) await call.store.setDefaultBranch(repository.id, defaultBranch);
    return ok(full(call, repository));
  }),

  'repos/delete': onRepository(
    { ...administering, writes: false },
    async ({ github, repository, store, sender }) => {
      github.repositories.remove(repository, sender());
      await store.remove(repository.id);
      return noContent;
    },
  ),

  'repos/list-forks': onRepository(reading('metadata'), (call) => {
    const forks = visible(call).filter((one) => one.parentId === call.repository.id);
    return okPage(call, forks, (one) => presentRepository(call.github.links, one));
  }),

  'repos/create-fork': onRepository(reading('metadata'), async (call) => {
    const { body, github, repository, store } = call;
    const sender = person(call);
    const organization = body.text('organization');
    const owner = organization ? github.account(organization) : sender;
    const existing = [...github.state.repositories.values()].find(
      (one) => one.parentId === repository.id && one.owner === owner,
    );
    if (existing) return { status: 202, body: full(call, existing) };
    const fork = github.repositories.create(owner, sender, {
      name: body.text('name') ?? repository.name,
      private: repository.private,
      description: repository.description,
      parentId: repository.id,
    });
    fork.defaultBranch = repository.defaultBranch;
    await store.fork(repository.id, fork.id, fork.defaultBranch);
    fork.branches = await store.branches(fork.id);
    return { status: 202, body: full(call, fork) };
  }),

  'repos/list-collaborators': onRepository(reading('metadata'), (call) => {
    const all = [...call.github.state.accounts.values()].filter((one) => isMember(one, call.repository));
    return okPage(call, all, (one) => collaborator(call, one));
  }),

  'repos/check-collaborator': onRepository(reading('metadata'), (call) => {
    const account = call.github.account(call.path['username'] ?? '');
    if (!isMember(account, call.repository)) throw notFound();
    return noContent;
  }),

  'repos/add-collaborator': onRepository(administering, (call) => {
    const account = call.github.account(call.path['username'] ?? '');
    call.github.repositories.setCollaborator(
      call.repository,
      account,
      roleNamed(call.body.text('permission')),
    );
    // Real GitHub sends an invitation first; nobody here has a mailbox.
    return noContent;
  }),

  'repos/remove-collaborator': onRepository(administering, (call) => {
    const account = call.github.account(call.path['username'] ?? '');
    call.github.repositories.setCollaborator(call.repository, account, undefined);
    return noContent;
  }),

  'repos/get-collaborator-permission-level': onRepository(reading('metadata'), (call) => {
    const account = call.github.account(call.path['username'] ?? '');
    const role = roleOf(account, call.repository);
    return ok({ permission: legacyRole(role), role_name: role, user: collaborator(call, account) });
  }),

  'issues/list-labels-for-repo': onRepository(reading('issues', 'pull_requests'), (call) =>
    okPage(call, [...call.repository.labels.values()], (one) =>
      presentLabel(call.github.links, call.repository, one),
    ),
  ),

  'issues/create-label': onRepository(writing('write', 'issues', 'pull_requests'), (call) => {
    const { body, github, repository } = call;
    const name = body.text('name') ?? '';
    if (repository.labels.has(name)) {
      throw validationFailed({ resource: 'Label', field: 'name', code: 'already_exists' });
    }
    const label = {
      id: github.nextNumber(),
      name,
      color: body.text('color') ?? 'ededed',
      description: body.text('description') ?? null,
    };
    repository.labels.set(name, label);
    return created(presentLabel(github.links, repository, label));
  }),

  'issues/get-label': onRepository(reading('issues', 'pull_requests'), (call) =>
    ok(presentLabel(call.github.links, call.repository, labelOf(call))),
  ),

  'issues/update-label': onRepository(writing('write', 'issues', 'pull_requests'), (call) => {
    const { body, github, repository } = call;
    const label = labelOf(call);
    const name = body.text('new_name') ?? label.name;
    if (name !== label.name && repository.labels.has(name)) {
      throw validationFailed({ resource: 'Label', field: 'name', code: 'already_exists' });
    }
    repository.labels.delete(label.name);
    // Pull requests hold the same label, so theirs changes too.
    label.name = name;
    label.color = body.text('color') ?? label.color;
    label.description = body.text('description') ?? label.description;
    repository.labels.set(name, label);
    return ok(presentLabel(github.links, repository, label));
  }),

  'issues/delete-label': onRepository(writing('write', 'issues', 'pull_requests'), (call) => {
    call.repository.labels.delete(labelOf(call).name);
    return noContent;
  }),
};

/** Real GitHub has it, our cut of the description does not (undescribed.ts). */
export const transferRepository = onRepository({ ...administering, writes: false }, (call) => {
  const owner = call.github.account(call.body.text('new_owner') ?? '');
  call.github.repositories.transfer(call.repository, call.sender(), owner);
  return { status: 202, body: presentRepository(call.github.links, call.repository) };
});

function person(call: Call): Account {
  if (call.actor.kind === 'installation')
    throw new GithubError(403, 'Resource not accessible by integration');
  return accountOf(call.actor);
}

async function createRepository(call: Call, owner: Account, sender: Account): Promise<Reply> {
  const { body, github, store } = call;
  const repository = github.repositories.create(owner, sender, {
    name: body.text('name') ?? '',
    private: body.flag('private') ?? body.text('visibility') === 'private',
    description: body.text('description') ?? null,
  });
  await store.init(repository.id, repository.defaultBranch);
  if (body.flag('auto_init')) {
    const blob = await store.writeBlob(repository.id, Buffer.from(`# ${repository.name}\n`));
    const tree = await store.writeTree(repository.id, undefined, [
      { path: 'README.md', mode: '100644', sha: blob },
    ]);
    const commit = await store.writeCommit(repository.id, tree, [], 'Initial commit', sender.login);
    await store.setRef(repository.id, `refs/heads/${repository.defaultBranch}`, commit);
    repository.branches.set(repository.defaultBranch, commit);
  }
  return created(full(call, repository));
}

function full(call: Call, repository: Repository) {
  const parent = call.github.state.repositories.get(repository.parentId ?? 0);
  return presentFullRepository(call.github.links, repository, call.actor, parent);
}

function visible(call: Call): Repository[] {
  const { actor, github } = call;
  return [...github.state.repositories.values()].filter(
    (one) => !one.private || (actor.kind === 'user' && atLeast(roleOf(actor.account, one), 'read')),
  );
}

function isMember(account: Account, repository: Repository): boolean {
  const { owner } = repository;
  return owner === account || owner.members.has(account.id) || repository.collaborators.has(account.id);
}

function collaborator(call: RepositoryCall, account: Account) {
  const role = roleOf(account, call.repository);
  return { ...presentAccount(call.github.links, account), role_name: role, permissions: presentRole(role) };
}

/** The four roles of the old days: maintain shows as write, triage as read. */
function legacyRole(role: Role): string {
  if (role === 'maintain') return 'write';
  return role === 'triage' ? 'read' : role;
}

function roleNamed(permission: string | undefined): Role {
  switch (permission) {
    case 'pull':
    case 'read':
      return 'read';
    case 'triage':
    case 'maintain':
    case 'admin':
      return permission;
    default:
      return 'write';
  }
}

function labelOf(call: RepositoryCall) {
  const label = call.repository.labels.get(call.path['name'] ?? '');
  if (!label) throw notFound();
  return label;
}
