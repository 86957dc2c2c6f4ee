import { findRepository, roleOf } from './access.ts';
import { applyPush } from './apply-push.ts';
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
import { presentCommit, presentFileChange } from './present-commit.ts';
import {
  presentComment,
  presentIssue,
  presentLabel,
  presentListedPullRequest,
  presentPullRequest,
  presentReaction,
} from './present-pull-request.ts';
import type { PullChanges } from './pulls.ts';
import { isObject } from './request-body.ts';

const readsPulls = reading('pull_requests');
const readsTalk = reading('issues', 'pull_requests');
/** Comments on pull requests need either; anybody who can read may comment. */
const talks = writing('read', 'issues', 'pull_requests');
const labels = writing('triage', 'issues', 'pull_requests');

/** Pull requests, their comments, labels and reactions. */
export const pullOperations: Operations = {
  'pulls/list': onRepository(readsPulls, (call) => {
    const { query, repository } = call;
    const state = query['state'] ?? 'open';
    const fitting = [...repository.pulls.values()]
      .filter((pull) => state === 'all' || pull.state === state)
      .filter((pull) => query['base'] === undefined || pull.baseRef === query['base'])
      .filter(
        (pull) => query['head'] === undefined || `${pull.headOwner.login}:${pull.headRef}` === query['head'],
      );
    const by = query['sort'] === 'updated' ? 'updatedAt' : 'number';
    const ascending = fitting.sort((a, b) => a[by] - b[by]);
    const direction = query['direction'] ?? (query['sort'] === undefined ? 'desc' : 'asc');
    return okPage(call, direction === 'asc' ? ascending : ascending.reverse(), (pull) => listed(call, pull));
  }),

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

  'pulls/list-commits': onRepository(readsPulls, async (call) => {
    const pull = pullOf(call, 'pull_number');
    const commits = await call.store.commitsBetween(call.repository.id, pull.baseSha, pull.headSha);
    return okPage(call, commits, (commit) => presentCommit(call.github.links, call.repository, commit));
  }),

  'pulls/list-files': onRepository(readsPulls, async (call) => {
    const pull = pullOf(call, 'pull_number');
    const files = await call.store.filesBetween(call.repository.id, pull.baseSha, pull.headSha);
    return okPage(call, files, (file) =>
      presentFileChange(call.github.links, call.repository, pull.headSha, file),
    );
  }),

  'issues/get': onRepository(readsTalk, (call) => ok(issue(call, pullOf(call, 'issue_number')))),

  'issues/update': onRepository(talks, async (call) => {
    const pull = pullOf(call, 'issue_number');
    const names = labelNames(call.body.list('labels'));
    await changePull(call, pull, readChanges(call));
    if (names) call.github.pulls.setLabels(call.repository, pull, call.sender(), names);
    return ok(issue(call, pull));
  }),

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

  'reactions/list-for-issue-comment': onRepository(readsTalk, (call) =>
    okPage(call, commentOf(call).comment.reactions, (one) => presentReaction(call.github.links, one)),
  ),

  'reactions/create-for-issue-comment': onRepository(talks, (call) => {
    const content = call.body.text('content') ?? '';
    const { reaction, created: isNew } = call.github.comments.react(
      commentOf(call).comment,
      call.sender(),
      content,
    );
    return { status: isNew ? 201 : 200, body: presentReaction(call.github.links, reaction) };
  }),

  'issues/list-labels-on-issue': onRepository(readsTalk, (call) => pullLabels(call)),

  'issues/add-labels': onRepository(labels, (call) => {
    const had = pullOf(call, 'issue_number').labels.map((label) => label.name);
    return setLabels(call, [...new Set([...had, ...bodyLabels(call)])]);
  }),

  'issues/set-labels': onRepository(labels, (call) => setLabels(call, bodyLabels(call))),

  'issues/remove-all-labels': onRepository(labels, (call) => {
    setLabels(call, []);
    return noContent;
  }),

  'issues/remove-label': onRepository(labels, (call) => {
    const had = pullOf(call, 'issue_number').labels.map((label) => label.name);
    const name = call.path['name'] ?? '';
    if (!had.includes(name)) throw new GithubError(404, 'Label does not exist');
    return setLabels(
      call,
      had.filter((one) => one !== name),
    );
  }),
};

/** Real GitHub has it, our cut of the description does not (undescribed.ts). */
export const mergePull = onRepository(writing('write', 'contents'), async (call) => {
  const { github, repository, store } = call;
  const pull = pullOf(call, 'pull_number');
  const base = repository.branches.get(pull.baseRef);
  if (pull.state === 'closed' || pull.draft || !base)
    throw new GithubError(405, 'Pull Request is not mergeable');
  const expected = call.body.text('sha');
  if (expected !== undefined && expected !== pull.headSha) {
    throw new GithubError(409, 'Head branch was modified. Review and try the merge again.');
  }
  const sender = call.sender();
  const message = `Merge pull request #${pull.number} from ${pull.headOwner.login}/${pull.headRef}`;
  const sha = await store.merge(repository.id, base, pull.headSha, message, sender.login);
  if (!sha) throw new GithubError(405, 'Pull Request is not mergeable');
  await store.setRef(repository.id, `refs/heads/${pull.baseRef}`, sha);
  await applyPush(github, store, repository, sender);
  return ok({ sha, merged: true, message: 'Pull Request successfully merged' });
});

async function createPull(call: RepositoryCall): Promise<Reply> {
  const { body, github, repository, store } = call;
  const author = call.sender();
  const title = body.text('title');
  if (!title?.trim())
    throw validationFailed({ resource: 'PullRequest', field: 'title', code: 'missing_field' });
  const base = body.text('base') ?? '';
  const head = headOf(call, body.text('head') ?? '');
  const baseSha = repository.branches.get(base);
  const headSha = head.repository.branches.get(head.branch);
  const wanted = { title, body: body.text('body') ?? null, head, base, draft: body.flag('draft') ?? false };
  // Unknown branches are the state machine's to refuse.
  if (!baseSha || !headSha) return created(single(call, github.pulls.create(repository, author, wanted)));
  if (head.repository !== repository) {
    await store.fetchFrom(repository.id, head.repository.id, headSha, `refs/eph/incoming/${headSha}`);
  }
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

/** `branch`, `owner:branch`, or with `head_repo` beside it. @throws 422 for what cannot be the head */
function headOf(call: RepositoryCall, head: string): { repository: Repository; branch: string } {
  const invalid = validationFailed({ resource: 'PullRequest', field: 'head', code: 'invalid' });
  const colon = head.indexOf(':');
  if (colon < 0) {
    refuseForeignHead(call, call.repository);
    return { repository: call.repository, branch: head };
  }
  const owner = head.slice(0, colon);
  const name = call.body.text('head_repo')?.split('/').at(-1);
  const network = [...call.github.state.repositories.values()].find(
    (one) =>
      one.owner.login.toLowerCase() === owner.toLowerCase() &&
      (one === call.repository || one.parentId === call.repository.id) &&
      (name === undefined || one.name === name),
  );
  if (!network) throw invalid;
  findRepository(call.github.state, call.actor, network.owner.login, network.name);
  refuseForeignHead(call, network);
  return { repository: network, branch: head.slice(colon + 1) };
}

/** One opens pull requests from branches that one could have pushed. */
function refuseForeignHead(call: RepositoryCall, head: Repository): void {
  if (call.actor.kind !== 'user' || atLeast(roleOf(call.actor.account, head), 'write')) return;
  throw new GithubError(403, 'Resource not accessible by personal access token');
}

async function changePull(call: RepositoryCall, pull: PullRequest, changes: PullChanges): Promise<void> {
  const { actor, github, repository, store } = call;
  const isAuthor = actor.kind === 'user' && actor.account === pull.author;
  if (actor.kind === 'user' && !isAuthor && !atLeast(roleOf(actor.account, repository), 'triage')) {
    throw new GithubError(403, 'Must have admin rights to Repository.');
  }
  const before = pull.headSha;
  if (changes.state === 'open' && pull.state === 'closed') {
    // Before the event goes out: whoever hears of it fetches refs/pull/N/head.
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

/** One's own, or anybody's with write access. An App edits only its own here: it has no reason to do more. */
function ownComment(call: RepositoryCall): { pull: PullRequest; comment: Comment } {
  const found = commentOf(call);
  const sender = call.sender();
  if (found.comment.author === sender) return found;
  if (call.actor.kind === 'user' && atLeast(roleOf(sender, call.repository), 'write')) return found;
  throw notAccessible();
}

function setLabels(call: RepositoryCall, names: readonly string[]): Reply {
  const pull = pullOf(call, 'issue_number');
  call.github.pulls.setLabels(call.repository, pull, call.sender(), names);
  return pullLabels(call);
}

function pullLabels(call: RepositoryCall): Reply {
  return okPage(call, pullOf(call, 'issue_number').labels, (label) =>
    presentLabel(call.github.links, call.repository, label),
  );
}

/** `{labels: [...]}`, each a name or an object with one. */
function bodyLabels(call: RepositoryCall): string[] {
  return labelNames(call.body.list('labels')) ?? [];
}

function labelNames(list: unknown[] | undefined): string[] | undefined {
  return list?.flatMap((one) => {
    if (typeof one === 'string') return one;
    return isObject(one) && typeof one['name'] === 'string' ? one['name'] : [];
  });
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
