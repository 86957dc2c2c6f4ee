import { applyPush } from './apply-push.ts';
import {
  commitOf,
  created,
  type Operations,
  okPage,
  onRepository,
  page,
  type Reply,
  type RepositoryCall,
  reading,
  writing,
} from './call.ts';
import { GithubError } from './github-error.ts';
import type { CommitStatus, Deployment, DeploymentState } from './github-state.ts';
import { repositoryApi } from './links.ts';
import { presentAccount } from './present-account.ts';
import { presentCommitStatus, presentDeployment, presentDeploymentStatus } from './present-deployment.ts';
import { presentRepository } from './present-repository.ts';

const readsDeployments = reading('deployments');
const deploys = writing('write', 'deployments');

/** Commit statuses, deployments and environments. */
export const deploymentOperations: Operations = {
  'repos/create-commit-status': onRepository(writing('write', 'statuses'), async (call) => {
    const { body, github, repository } = call;
    const sha = await call.store.resolve(repository.id, call.path['sha'] ?? '');
    if (!sha || sha !== call.path['sha']) {
      throw new GithubError(422, `No commit found for SHA: ${call.path['sha']}`);
    }
    const status = github.statuses.create(repository, call.sender(), {
      sha,
      state: statusState(body.text('state')),
      context: body.text('context') ?? 'default',
      description: body.text('description') ?? null,
      targetUrl: body.text('target_url') || null,
    });
    return created(withCreator(call, status));
  }),

  'repos/list-commit-statuses-for-ref': onRepository(reading('statuses'), async (call) => {
    const sha = await commitOf(call, call.path['ref'] ?? '');
    return okPage(call, call.github.statuses.ofCommit(call.repository, sha), (one) => withCreator(call, one));
  }),

  'repos/get-combined-status-for-ref': onRepository(reading('statuses'), async (call) => {
    const { github, repository } = call;
    const sha = await commitOf(call, call.path['ref'] ?? '');
    const latest = github.statuses.latest(repository, sha);
    const { items, headers } = page(call, latest);
    const commit = `${repositoryApi(github.links, repository)}/commits/${sha}`;
    return {
      status: 200,
      headers,
      body: {
        state: github.statuses.combined(repository, sha),
        statuses: items.map((one) => presentCommitStatus(github.links, repository, one)),
        sha,
        total_count: latest.length,
        repository: presentRepository(github.links, repository),
        commit_url: commit,
        url: `${commit}/status`,
      },
    };
  }),

  'repos/list-deployments': onRepository(readsDeployments, (call) => {
    const { query, repository } = call;
    const fitting = [...repository.deployments]
      .reverse()
      .filter((one) => query['sha'] === undefined || one.sha === query['sha'])
      .filter((one) => query['ref'] === undefined || one.ref === query['ref'])
      .filter((one) => query['task'] === undefined || one.task === query['task'])
      .filter((one) => query['environment'] === undefined || one.environment === query['environment']);
    return okPage(call, fitting, (one) => deployment(call, one));
  }),

  'repos/create-deployment': onRepository(deploys, createDeployment),

  'repos/list-deployment-statuses': onRepository(readsDeployments, (call) => {
    const parent = deploymentOf(call);
    return okPage(call, [...parent.statuses].reverse(), (one) =>
      presentDeploymentStatus(call.github.links, call.repository, parent, one),
    );
  }),

  'repos/create-deployment-status': onRepository(deploys, (call) => {
    const { body, github, repository } = call;
    const parent = deploymentOf(call);
    const status = github.deployments.addStatus(repository, parent, call.sender(), {
      state: deploymentState(body.text('state')),
      description: body.text('description') ?? '',
      environment: body.text('environment'),
      environmentUrl: body.text('environment_url') ?? '',
      // This is an older name of the same field.
      logUrl: body.text('log_url') ?? body.text('target_url') ?? '',
      autoInactive: body.flag('auto_inactive') ?? true,
    });
    return created(presentDeploymentStatus(github.links, repository, parent, status));
  }),
};

async function createDeployment(call: RepositoryCall): Promise<Reply> {
  const { body, github, repository, store } = call;
  const ref = body.text('ref') ?? '';
  const sha = await store.resolve(repository.id, ref);
  if (!sha) throw new GithubError(422, `No ref found for: ${ref}`);
  if (body.flag('auto_merge') ?? true) {
    const merged = await autoMerge(call, ref, sha);
    if (merged) return merged;
  }
  const environment = body.text('environment') ?? 'production';
  const made = github.deployments.create(repository, call.sender(), {
    sha,
    ref,
    task: body.text('task') ?? 'deploy',
    environment,
    description: body.text('description') ?? null,
    payload: body.object('payload') ?? body.text('payload') ?? {},
    transient: body.flag('transient_environment') ?? false,
    production: body.flag('production_environment') ?? environment === 'production',
    requiredContexts: body.texts('required_contexts'),
  });
  return created(deployment(call, made));
}

/**
 * A danger of `auto_merge`, which is on by default: for a deployment of a branch that is behind, GitHub first merges
 * the default branch into it, and answers 202 without a deployment. A commit is no branch, so it is not changed.
 */
async function autoMerge(call: RepositoryCall, ref: string, sha: string): Promise<Reply | undefined> {
  const { github, repository, store } = call;
  const base = repository.branches.get(repository.defaultBranch);
  const isTopic = repository.branches.has(ref) && ref !== repository.defaultBranch;
  if (!base || !isTopic || (await store.isAncestor(repository.id, base, sha))) return undefined;
  const message = `Merge ${repository.defaultBranch} into ${ref}`;
  const merge = await store.merge(repository.id, sha, base, message, call.sender().login);
  if (!merge) throw new GithubError(409, `Conflict merging ${repository.defaultBranch} into ${ref}.`);
  await store.setRef(repository.id, `refs/heads/${ref}`, merge);
  await applyPush(github, store, repository, call.sender());
  return {
    status: 202,
    body: { message: `Auto-merged ${repository.defaultBranch} into ${ref} on deployment.` },
  };
}

function deploymentOf(call: RepositoryCall): Deployment {
  return call.github.deployments.get(call.repository, Number(call.path['deployment_id']));
}

function deployment(call: RepositoryCall, one: Deployment) {
  return presentDeployment(call.github.links, call.repository, one);
}

function withCreator(call: RepositoryCall, status: CommitStatus) {
  return {
    ...presentCommitStatus(call.github.links, call.repository, status),
    creator: presentAccount(call.github.links, status.creator),
  };
}

function statusState(text: string | undefined): CommitStatus['state'] {
  return text === 'success' || text === 'failure' || text === 'error' ? text : 'pending';
}

const deploymentStates: readonly DeploymentState[] = [
  'error',
  'failure',
  'inactive',
  'in_progress',
  'queued',
  'pending',
  'success',
];

function deploymentState(text: string | undefined): DeploymentState {
  return deploymentStates.find((one) => one === text) ?? 'pending';
}
