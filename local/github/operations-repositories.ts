import { accountOf } from './access.ts';
import { type Call, created, type Operations, ok, onRepository, type Reply, reading } from './call.ts';
import { GithubError } from './github-error.ts';
import { type Account, atLeast, type Repository } from './github-state.ts';
import { presentFullRepository } from './present-repository.ts';

/** Operations on repositories themselves; their contents belong to git or to a pull request. */
export const repositoryOperations: Operations = {
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

  'repos/get': onRepository(reading('metadata'), (call) => ok(full(call, call.repository))),
};

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
