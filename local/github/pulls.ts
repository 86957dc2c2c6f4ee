import type { GithubContext } from './github-context.ts';
import { GithubError, notFound, validationFailed } from './github-error.ts';
import type { Account, PullFacts, PullRequest, Repository } from './github-state.ts';
import { presentPullRequest } from './present-pull-request.ts';

export interface NewPull {
  title: string;
  body: string | null;
  head: { repository: Repository; branch: string };
  base: string;
  draft: boolean;
}

export interface PullChanges {
  title?: string;
  body?: string | null;
  base?: string;
  state?: 'open' | 'closed';
}

export type Pulls = ReturnType<typeof createPulls>;

const unknownFacts: PullFacts = { commits: 1, additions: 0, deletions: 0, changedFiles: 0, mergeable: null };

/**
 * Pull requests. Lifecycle: open -> closed (-> merged) -> open again; draft is a flag beside it.
 *
 * Gotchas
 * - `head.sha` moves only while the pull request is open. Pushes to the branch of a closed one appear when it is
 *   opened again.
 * - Deleting the head branch closes it; it cannot be opened again until the branch is back.
 * - The caller passes in git's facts (counts, mergeable): the state machine does no I/O.
 */
export function createPulls(context: GithubContext) {
  const { state, links } = context;

  const emit = (
    repository: Repository,
    pull: PullRequest,
    sender: Account,
    action: string,
    extra: object = {},
  ) => {
    context.emit({
      name: 'pull_request',
      repository,
      sender,
      payload: {
        action,
        number: pull.number,
        pull_request: presentPullRequest(state, links, repository, pull),
        ...extra,
      },
    });
  };

  const touch = (pull: PullRequest): void => {
    pull.updatedAt = context.now();
  };

  const branchOf = (repository: Repository, branch: string, field: 'head' | 'base'): string => {
    const sha = repository.branches.get(branch);
    if (!sha) throw validationFailed({ resource: 'PullRequest', field, code: 'invalid' });
    return sha;
  };

  const refuseDuplicate = (repository: Repository, head: NewPull['head'], base: string): void => {
    const twin = [...repository.pulls.values()].some(
      (pull) =>
        pull.state === 'open' &&
        pull.headRepositoryId === head.repository.id &&
        pull.headRef === head.branch &&
        pull.baseRef === base,
    );
    if (!twin) return;
    throw validationFailed({
      resource: 'PullRequest',
      code: 'custom',
      message: `A pull request already exists for ${head.repository.owner.login}:${head.branch}.`,
    });
  };

  const close = (repository: Repository, pull: PullRequest, sender: Account): void => {
    pull.state = 'closed';
    pull.closedAt = context.now();
    touch(pull);
    emit(repository, pull, sender, 'closed');
  };

  const reopen = (repository: Repository, pull: PullRequest, sender: Account): void => {
    const head = state.repositories.get(pull.headRepositoryId);
    const sha = head?.branches.get(pull.headRef);
    if (pull.mergedAt !== null || !head || !sha) {
      throw validationFailed({
        resource: 'PullRequest',
        code: 'custom',
        field: 'state',
        message: sha
          ? 'state cannot be changed. The pull request has been merged.'
          : `state cannot be changed. The ${pull.headRef} branch has been deleted.`,
      });
    }
    refuseDuplicate(repository, { repository: head, branch: pull.headRef }, pull.baseRef);
    pull.state = 'open';
    pull.closedAt = null;
    pull.headSha = sha;
    touch(pull);
    emit(repository, pull, sender, 'reopened');
  };

  const changeText = (
    repository: Repository,
    pull: PullRequest,
    sender: Account,
    changes: PullChanges,
  ): void => {
    const from: Record<string, unknown> = {};
    if (changes.title !== undefined && changes.title !== pull.title) {
      from['title'] = { from: pull.title };
      pull.title = changes.title;
    }
    if (changes.body !== undefined && changes.body !== pull.body) {
      from['body'] = { from: pull.body };
      pull.body = changes.body;
    }
    if (changes.base !== undefined && changes.base !== pull.baseRef) {
      const sha = branchOf(repository, changes.base, 'base');
      from['base'] = { ref: { from: pull.baseRef }, sha: { from: pull.baseSha } };
      pull.baseRef = changes.base;
      pull.baseSha = sha;
    }
    if (Object.keys(from).length === 0) return;
    touch(pull);
    emit(repository, pull, sender, 'edited', { changes: from });
  };

  return {
    get(repository: Repository, number: number): PullRequest {
      const pull = repository.pulls.get(number);
      if (!pull) throw notFound();
      return pull;
    },

    create(
      repository: Repository,
      author: Account,
      wanted: NewPull,
      facts: PullFacts = unknownFacts,
    ): PullRequest {
      const baseSha = branchOf(repository, wanted.base, 'base');
      const headSha = branchOf(wanted.head.repository, wanted.head.branch, 'head');
      refuseDuplicate(repository, wanted.head, wanted.base);
      const at = context.now();
      const pull: PullRequest = {
        id: context.nextNumber(),
        repositoryId: repository.id,
        number: repository.pulls.size + 1,
        title: wanted.title,
        body: wanted.body,
        state: 'open',
        draft: wanted.draft,
        author,
        headOwner: wanted.head.repository.owner,
        headRepositoryId: wanted.head.repository.id,
        headRef: wanted.head.branch,
        headSha,
        baseRef: wanted.base,
        baseSha,
        createdAt: at,
        updatedAt: at,
        closedAt: null,
        mergedAt: null,
        mergedBy: null,
        mergeCommitSha: null,
        comments: [],
        facts: { ...facts, mergeable: null },
      };
      repository.pulls.set(pull.number, pull);
      emit(repository, pull, author, 'opened');
      // GitHub computes it a moment after the event was sent.
      pull.facts = facts;
      return pull;
    },

    /** Texts and base first, then the state, as one PATCH does. @throws 422 for what cannot be reopened. */
    update(repository: Repository, pull: PullRequest, sender: Account, changes: PullChanges): void {
      changeText(repository, pull, sender, changes);
      if (changes.state === undefined || changes.state === pull.state) return;
      if (changes.state === 'closed') close(repository, pull, sender);
      else reopen(repository, pull, sender);
    },

    headMoved(
      repository: Repository,
      pull: PullRequest,
      sender: Account,
      sha: string,
      facts: PullFacts = unknownFacts,
    ): void {
      const before = pull.headSha;
      pull.headSha = sha;
      pull.facts = { ...facts, mergeable: null };
      touch(pull);
      emit(repository, pull, sender, 'synchronize', { before, after: sha });
      pull.facts = facts;
    },

    close,

    merged(repository: Repository, pull: PullRequest, sender: Account, mergeCommitSha: string): void {
      if (pull.state === 'closed') throw new GithubError(405, 'Pull Request is not mergeable');
      pull.mergedAt = context.now();
      pull.mergedBy = sender;
      pull.mergeCommitSha = mergeCommitSha;
      close(repository, pull, sender);
    },

    /** On GitHub only GraphQL can do this. */
    setDraft(repository: Repository, pull: PullRequest, sender: Account, draft: boolean): void {
      if (pull.draft === draft) return;
      pull.draft = draft;
      touch(pull);
      emit(repository, pull, sender, draft ? 'converted_to_draft' : 'ready_for_review');
    },
  };
}
