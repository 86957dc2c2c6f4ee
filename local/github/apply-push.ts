import type { GitStore } from './git-store.ts';
import type { Github } from './github.ts';
import type { Account, PullRequest, Repository } from './github-state.ts';
import type { RefUpdate } from './repositories.ts';

/**
 * After any change of branches in git: tells the state machine, updates `refs/pull/N/head`, and closes pull requests
 * whose branch is gone or whose commits have arrived in base.
 */
export async function applyPush(
  github: Github,
  store: GitStore,
  repository: Repository,
  sender: Account,
): Promise<void> {
  const updates = difference(repository.branches, await store.branches(repository.id));
  if (updates.length === 0) return;
  for (const { pull, base, update } of github.repositories.recordPush(repository, sender, updates)) {
    if (update.after === undefined) {
      github.pulls.close(base, pull, sender);
      continue;
    }
    await setHead(store, base, pull, update.after);
    const facts = await store.facts(base.id, pull.baseSha, update.after);
    github.pulls.headMoved(base, pull, sender, update.after, facts);
  }
  for (const update of updates) await closeArrived(github, store, repository, sender, update);
}

/** The head's commit, under the name by which the agent fetches it. */
export async function setHead(
  store: GitStore,
  base: Repository,
  pull: PullRequest,
  sha: string,
): Promise<void> {
  await store.setRef(base.id, `refs/pull/${pull.number}/head`, sha);
}

/** Merged by a push: GitHub notices that base now holds the head. */
async function closeArrived(
  github: Github,
  store: GitStore,
  repository: Repository,
  sender: Account,
  update: RefUpdate,
): Promise<void> {
  const { after } = update;
  if (after === undefined) return;
  for (const pull of repository.pulls.values()) {
    if (pull.state !== 'open' || pull.baseRef !== update.branch) continue;
    if (await store.isAncestor(repository.id, pull.headSha, after)) {
      github.pulls.merged(repository, pull, sender, after);
    }
  }
}

function difference(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): RefUpdate[] {
  const names = new Set([...before.keys(), ...after.keys()]);
  return [...names]
    .map((branch) => ({ branch, before: before.get(branch), after: after.get(branch) }))
    .filter((update) => update.before !== update.after);
}
