import type { GithubContext } from './github-context.ts';
import { validationFailed } from './github-error.ts';
import type { Account, CommitStatus, Repository } from './github-state.ts';
import { repositoryHtml } from './links.ts';

export type Statuses = ReturnType<typeof createStatuses>;

export interface NewStatus {
  sha: string;
  state: CommitStatus['state'];
  context: string;
  description: string | null;
  targetUrl: string | null;
}

/** GitHub takes no more than this per commit and context, ever. */
const MAX_STATUSES = 1000;
const MAX_DESCRIPTION = 140;

export function createStatuses(context: GithubContext) {
  const ofCommit = (repository: Repository, sha: string): CommitStatus[] =>
    repository.statuses.filter((status) => status.sha === sha).reverse();

  /** The newest status of each context, which people see. */
  const latest = (repository: Repository, sha: string): CommitStatus[] => {
    const newest = new Map<string, CommitStatus>();
    for (const status of ofCommit(repository, sha)) {
      if (!newest.has(status.context)) newest.set(status.context, status);
    }
    return [...newest.values()];
  };

  return {
    /** Newest first. */
    ofCommit,
    latest,

    create(repository: Repository, creator: Account, wanted: NewStatus): CommitStatus {
      if ((wanted.description?.length ?? 0) > MAX_DESCRIPTION) {
        throw validationFailed({
          resource: 'Status',
          field: 'description',
          code: 'custom',
          message: `description is too long (maximum is ${MAX_DESCRIPTION} characters)`,
        });
      }
      // https://github.com/ouzi-dev/commit-status-updater/issues/527
      if (/[\u{10000}-\u{10FFFF}]/u.test(wanted.description ?? '')) {
        throw validationFailed({
          resource: 'Status',
          field: 'description',
          code: 'custom',
          message: "description doesn't accept 4-byte Unicode",
        });
      }
      if (wanted.targetUrl !== null && !/^https?:\/\//.test(wanted.targetUrl)) {
        throw validationFailed({
          resource: 'Status',
          field: 'target_url',
          code: 'custom',
          message: 'target_url must use http(s) scheme',
        });
      }
      const sameContext = repository.statuses.filter(
        (status) => status.sha === wanted.sha && status.context === wanted.context,
      );
      if (sameContext.length >= MAX_STATUSES) {
        throw validationFailed({
          resource: 'Status',
          code: 'custom',
          message: 'This SHA and context has reached the maximum number of statuses.',
        });
      }
      const status: CommitStatus = { ...wanted, id: context.nextNumber(), creator, createdAt: context.now() };
      repository.statuses.push(status);
      const at = new Date(status.createdAt).toISOString();
      context.emit({
        name: 'status',
        repository,
        sender: creator,
        payload: {
          id: status.id,
          sha: status.sha,
          name: `${repository.owner.login}/${repository.name}`,
          target_url: status.targetUrl,
          context: status.context,
          description: status.description,
          state: status.state,
          commit: {
            sha: status.sha,
            html_url: `${repositoryHtml(context.links, repository)}/commit/${status.sha}`,
          },
          branches: [...repository.branches]
            .filter(([, sha]) => sha === status.sha)
            .map(([name, sha]) => ({ name, commit: { sha }, protected: false })),
          created_at: at,
          updated_at: at,
        },
      });
      return status;
    },

    /**
     * The state of the combined status: failure wins over pending, pending over success; without statuses it is
     * pending.
     */
    combined(repository: Repository, sha: string): 'failure' | 'pending' | 'success' {
      const states = latest(repository, sha).map((status) => status.state);
      if (states.some((one) => one === 'failure' || one === 'error')) return 'failure';
      return states.length > 0 && states.every((one) => one === 'success') ? 'success' : 'pending';
    },
  };
}
