import type { EnvironmentState, Row } from '#core/environment';
import { environmentKey } from '#core/environment-key';
import type { Account, Installation, PullRequest, Repository } from '../../local/github/github-state.ts';
import { createTestPlatform, shaOf, type TestPlatform } from './create-test-platform.ts';
import type { UnitsThatExist } from './units.ts';

export { hours, minutes } from './clock.ts';
export { recover } from './recover.ts';

/** The actions of people on a GitHub with an organization that has the App. */
export interface Story {
  platform: TestPlatform;
  author: Account;
  organization: Account;
  installation: Installation;
  repository: Repository;
  openPullRequest(options?: OpenOptions): PullRequest;
  /** Returns the new commit. */
  push(pull: PullRequest, files?: Record<string, string>): string;
  close(pull: PullRequest): void;
  reopen(pull: PullRequest): void;
  convertToDraft(pull: PullRequest): void;
  markReady(pull: PullRequest): void;
  /** GitHub sends the first delivery about it once more. */
  redeliver(pull: PullRequest): void;
  /** Commit -> the branch that it was pushed to. */
  branchOf: ReadonlyMap<string, string>;
  key(pull: PullRequest): string;
  row(pull: PullRequest): Promise<Row>;
  state(pull: PullRequest): Promise<EnvironmentState>;
  /** The text that people see in the comment of Eph. */
  comment(pull: PullRequest): string | undefined;
  /** The status of the head commit, as `success: 1234567 is running`. */
  status(pull: PullRequest): string | undefined;
  whatExists(): Promise<Existing>;
}

interface OpenOptions {
  branch?: string;
  draft?: boolean;
  author?: Account;
  repository?: Repository;
  /** Where the branch is; another repository than the base is a fork. */
  from?: Repository;
  files?: Record<string, string>;
}

export interface Existing extends UnitsThatExist {
  tunnels: string[];
  records: string[];
  /** Deployments that GitHub shows as active. */
  deployments: string[];
}

export const nothing: Existing = {
  instances: [],
  tunnels: [],
  records: [],
  mailboxes: [],
  hostRows: [],
  deployments: [],
};

export function createStory(platform: TestPlatform = createTestPlatform()): Story {
  const { github } = platform;
  const author = github.addAccount('ada', 'User');
  const organization = github.addAccount('acme', 'Organization');
  github.addMember(organization, author, 'admin');
  const installation = github.installations.create(organization, author);
  const repository = github.repositories.create(organization, author, { name: 'shop' });
  const branchOf = new Map<string, string>();
  commit(repository, 'main', {});

  function commit(into: Repository, branch: string, files: Record<string, string>): string {
    const after = shaOf(platform.clock.newId());
    // There is something that can be started, unless a story has its own files.
    platform.files.set(after, { 'compose.yaml': 'services: {}', ...files });
    branchOf.set(after, branch);
    const update = { branch, before: into.branches.get(branch), after };
    for (const { pull, base } of github.repositories.recordPush(into, author, [update])) {
      github.pulls.headMoved(base, pull, author, after);
    }
    return after;
  }

  const baseOf = (pull: PullRequest): Repository => {
    const base = github.state.repositories.get(pull.repositoryId);
    if (!base) throw new Error('the repository is gone');
    return base;
  };
  const headOf = (pull: PullRequest): Repository =>
    github.state.repositories.get(pull.headRepositoryId) ?? baseOf(pull);
  const key = (pull: PullRequest) => environmentKey(pull.repositoryId, pull.number);

  return {
    platform,
    author,
    organization,
    installation,
    repository,
    openPullRequest(options = {}) {
      const base = options.repository ?? repository;
      const from = options.from ?? base;
      const branch = options.branch ?? `feature-${base.pulls.size + 1}`;
      commit(from, branch, options.files ?? {});
      return github.pulls.create(base, options.author ?? author, {
        title: 'A change',
        body: null,
        head: { repository: from, branch },
        base: 'main',
        draft: options.draft ?? false,
      });
    },
    push: (pull, files = {}) => commit(headOf(pull), pull.headRef, files),
    close: (pull) => github.pulls.update(baseOf(pull), pull, author, { state: 'closed' }),
    reopen: (pull) => github.pulls.update(baseOf(pull), pull, author, { state: 'open' }),
    convertToDraft: (pull) => github.pulls.setDraft(baseOf(pull), pull, author, true),
    markReady: (pull) => github.pulls.setDraft(baseOf(pull), pull, author, false),
    redeliver(pull) {
      const first = github.state.deliveries.find(
        (one) => one.event === 'pull_request' && one.repositoryId === pull.repositoryId,
      );
      if (!first) throw new Error('nothing was delivered');
      github.deliveries.redeliver(first.id);
    },
    branchOf,
    key,
    async row(pull) {
      const row = await platform.ports.environments.read(key(pull));
      if (!row) throw new Error(`there is no row ${key(pull)}`);
      return row;
    },
    async state(pull) {
      return (await this.row(pull)).state;
    },
    comment: (pull) => pull.comments.find((one) => one.viaApp)?.body,
    status(pull) {
      const [status] = github.statuses.latest(baseOf(pull), pull.headSha);
      return status && `${status.state}: ${status.description}`;
    },
    whatExists: () => whatExists(platform),
  };
}

/** A second organization that has the App too, and its repository. */
export function addOrganization({ platform, author }: Story): {
  installation: Installation;
  repository: Repository;
} {
  const { github } = platform;
  const globex = github.addAccount('globex', 'Organization');
  const installation = github.installations.create(globex, author);
  platform.config.REPOSITORIES.push('globex/*');
  const repository = github.repositories.create(globex, author, { name: 'shop', private: true });
  repository.branches.set('main', 'a'.repeat(40));
  return { installation, repository };
}

export async function whatExists({ github, cloudflare, units }: TestPlatform): Promise<Existing> {
  const active = [...github.state.repositories.values()].flatMap((repository) =>
    repository.deployments.filter((one) => one.statuses.at(-1)?.state !== 'inactive'),
  );
  return {
    ...(await units.exist()),
    tunnels: cloudflare.machine.listTunnels({ is_deleted: 'false' }).items.map(({ name }) => name),
    records: cloudflare.machine
      .listRecords({})
      .items.map(({ name }) => name)
      .sort(),
    deployments: active.map(({ sha }) => sha),
  };
}
