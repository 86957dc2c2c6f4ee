import { appOfBot } from './access.ts';
import type { GithubContext } from './github-context.ts';
import { notFound, validationFailed } from './github-error.ts';
import type { Account, Comment, PullRequest, Repository } from './github-state.ts';
import { presentComment, presentIssue } from './present-pull-request.ts';

export type Comments = ReturnType<typeof createComments>;

/** GitHub's limit for the body of a comment, in characters. */
const MAX_BODY = 65_536;

/** Comments on pull requests, which GitHub stores with issues. */
export function createComments(context: GithubContext) {
  const { state, links } = context;

  const emit = (
    repository: Repository,
    pull: PullRequest,
    comment: Comment,
    sender: Account,
    action: string,
    extra: object = {},
  ) => {
    context.emit({
      name: 'issue_comment',
      repository,
      sender,
      payload: {
        action,
        issue: presentIssue(links, repository, pull),
        comment: presentComment(links, repository, pull, comment),
        ...extra,
      },
    });
  };

  const checkBody = (body: string): void => {
    if (body.trim() === '') {
      throw validationFailed({ resource: 'IssueComment', field: 'body', code: 'missing_field' });
    }
    if (body.length > MAX_BODY) {
      throw validationFailed({
        resource: 'IssueComment',
        field: 'data',
        code: 'unprocessable',
        message: `Body is too long (maximum is ${MAX_BODY} characters)`,
      });
    }
  };

  return {
    find(repository: Repository, id: number): { pull: PullRequest; comment: Comment } {
      for (const pull of repository.pulls.values()) {
        const comment = pull.comments.find((one) => one.id === id);
        if (comment) return { pull, comment };
      }
      throw notFound();
    },

    create(repository: Repository, pull: PullRequest, author: Account, body: string): Comment {
      checkBody(body);
      const at = context.now();
      const comment: Comment = {
        id: context.nextNumber(),
        body,
        author,
        viaApp: appOfBot(state, author),
        createdAt: at,
        updatedAt: at,
      };
      pull.comments.push(comment);
      pull.updatedAt = at;
      emit(repository, pull, comment, author, 'created');
      return comment;
    },

    update(repository: Repository, pull: PullRequest, comment: Comment, sender: Account, body: string): void {
      checkBody(body);
      const from = comment.body;
      comment.body = body;
      comment.updatedAt = context.now();
      if (from !== body) emit(repository, pull, comment, sender, 'edited', { changes: { body: { from } } });
    },

    remove(repository: Repository, pull: PullRequest, comment: Comment, sender: Account): void {
      pull.comments = pull.comments.filter((one) => one !== comment);
      emit(repository, pull, comment, sender, 'deleted');
    },
  };
}
