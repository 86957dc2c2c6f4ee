import { roleOf } from './access.ts';
import {
  created,
  noContent,
  type Operations,
  ok,
  okPage,
  onRepository,
  pullOf,
  type Reply,
  type RepositoryCall,
  reading,
  showHead,
  writing,
} from './call.ts';
import { GithubError, notAccessible, validationFailed } from './github-error.ts';
import { atLeast, type Comment, type PullRequest, type Repository } from './github-state.ts';
import {
  presentComment,
  presentIssue,
  presentListedPullRequest,
  presentPullRequest,
} from './present-pull-request.ts';
import type { PullChanges } from './pulls.ts';

const readsPulls = reading('pull_requests');
const readsTalk = reading('issues', 'pull_requests');
/** Comments on pull requests need one of these permissions; a person who can read may comment. */
const talks = writing('read', 'issues', 'pull_requests');

/** Pull requests and their comments. */
export const pullOperations: Operations = {
  'repos/list-pull-requests-associated-with-commit': onRepository(readsPulls, (call) => {
    const sha = call.path['commit_sha'] ?? '';
    const having = [...call.repository.pulls.values()].filter((pull) => pull.headSha === sha);
    return okPage(call, having, (pull) => listed(call, pull));
  }),

  'pulls/create': onRepository(writing('read', 'pull_requests'), createPull),
  'pulls/get': onRepository(readsPulls, (call) => ok(single(call, pullOf(call, 'pull_number')))),

  'pulls/update': onRepository(writing('read', 'pull_requests'), async (call) => {
    const pull = pullOf(call, 'pull_number');
    await changePull(call, pull, readChanges(call));
    return ok(single(call, pull));
  }),

  'issues/get': onRepository(readsTalk, (call) => ok(issue(call, pullOf(call, 'issue_number')))),

  'issues/list-comments': onRepository(readsTalk, (call) => {
    const pull = pullOf(call, 'issue_number');
    const since = Date.parse(call.query['since'] ?? '1970-01-01');
    const recent = pull.comments.filter((one) => one.updatedAt >= since);
    return okPage(call, recent, (one) => comment(call, pull, one));
  }),

  'issues/create-comment': onRepository(talks, (call) => {
    const pull = pullOf(call, 'issue_number');
    const body = call.body.text('body') ?? '';
    return created(
      comment(call, pull, call.github.comments.create(call.repository, pull, call.sender(), body)),
    );
  }),

  'issues/get-comment': onRepository(readsTalk, (call) => {
    const found = commentOf(call);
    return ok(comment(call, found.pull, found.comment));
  }),

  'issues/update-comment': onRepository(talks, (call) => {
    const found = ownComment(call);
    const body = call.body.text('body') ?? '';
    call.github.comments.update(call.repository, found.pull, found.comment, call.sender(), body);
    return ok(comment(call, found.pull, found.comment));
  }),

  'issues/delete-comment': onRepository(talks, (call) => {
    const found = ownComment(call);
    call.github.comments.remove(call.repository, found.pull, found.comment, call.sender());
    return noContent;
  }),
};

async function createPull(call: RepositoryCall): Promise<Reply> {
  const { body, github, repository, store } = call;
  const author = call.sender();
  const title = body.text('title');
  if (!title?.trim())
    throw validationFailed({ resource: 'PullRequest', field: 'title', code: 'missing_field' });
  const base = body.text('base') ?? '';
  const head = headOf(call, body.text('head') ?? '');
  const baseSha = repository.branches.get(base);
  const headSha = repository.branches.get(head.branch);
  const wanted = { title, body: body.text('body') ?? null, head, base, draft: body.flag('draft') ?? false };
  // The state machine refuses unknown branches.
  if (!baseSha || !headSha) return created(single(call, github.pulls.create(repository, author, wanted)));
  const facts = await store.facts(repository.id, baseSha, headSha);
  if (facts.commits === 0) {
    throw validationFailed({
      resource: 'PullRequest',
      code: 'custom',
      message: `No commits between ${base} and ${head.branch}`,
    });
  }
  const pull = github.pulls.create(repository, author, wanted, facts);
  await showHead(call, pull);
  return created(single(call, pull));
}

/** `branch` or `owner:branch` of this repository, since it has no forks. @throws 422 for any other */
function headOf(call: RepositoryCall, head: string): { repository: Repository; branch: string } {
  const { actor, repository } = call;
  const [branch = '', owner] = head.split(':').reverse();
  if (owner !== undefined && owner.toLowerCase() !== repository.owner.login.toLowerCase()) {
    throw validationFailed({ resource: 'PullRequest', field: 'head', code: 'invalid' });
  }
  // A person can only open pull requests from branches to which they could push.
  if (actor.kind === 'user' && !atLeast(roleOf(actor.account, repository), 'write')) {
    throw new GithubError(403, 'Resource not accessible by personal access token');
  }
  return { repository, branch };
}

async function changePull(call: RepositoryCall, pull: PullRequest, changes: PullChanges): Promise<void> {
  const { actor, github, repository, store } = call;
  const isAuthor = actor.kind === 'user' && actor.account === pull.author;
  if (actor.kind === 'user' && !isAuthor && !atLeast(roleOf(actor.account, repository), 'triage')) {
    throw new GithubError(403, 'Must have admin rights to Repository.');
  }
  const before = pull.headSha;
  if (changes.state === 'open' && pull.state === 'closed') {
    // This must come before the event is sent: its receiver fetches refs/pull/N/head.
    const head = github.state.repositories.get(pull.headRepositoryId);
    const sha = head?.branches.get(pull.headRef);
    if (sha && sha !== before) await showHead(call, { ...pull, headSha: sha });
  }
  github.pulls.update(repository, pull, call.sender(), changes);
  pull.facts = await store.facts(repository.id, pull.baseSha, pull.headSha);
}

function readChanges({ body }: RepositoryCall): PullChanges {
  const title = body.text('title');
  const text = body.text('body');
  const base = body.text('base');
  const state = body.text('state');
  return {
    ...(title === undefined ? {} : { title }),
    ...(text === undefined ? {} : { body: text }),
    ...(base === undefined ? {} : { base }),
    ...(state === 'open' || state === 'closed' ? { state } : {}),
  };
}

function commentOf(call: RepositoryCall): { pull: PullRequest; comment: Comment } {
  return call.github.comments.find(call.repository, Number(call.path['comment_id']));
}

/**
 * The caller's own comment, or any comment for a person with write access. An App edits only its own here, because it
 * has no reason to edit others.
 */
function ownComment(call: RepositoryCall): { pull: PullRequest; comment: Comment } {
  const found = commentOf(call);
  const sender = call.sender();
  if (found.comment.author === sender) return found;
  if (call.actor.kind === 'user' && atLeast(roleOf(sender, call.repository), 'write')) return found;
  throw notAccessible();
}

function listed(call: RepositoryCall, pull: PullRequest) {
  return presentListedPullRequest(call.github.state, call.github.links, call.repository, pull);
}

function single(call: RepositoryCall, pull: PullRequest) {
  return presentPullRequest(call.github.state, call.github.links, call.repository, pull);
}

function issue(call: RepositoryCall, pull: PullRequest) {
  return presentIssue(call.github.links, call.repository, pull);
}

function comment(call: RepositoryCall, pull: PullRequest, one: Comment) {
  return presentComment(call.github.links, call.repository, pull, one);
}
