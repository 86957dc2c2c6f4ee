import { appOfBot } from './access.ts';
import type { GithubContext } from './github-context.ts';
import { GithubError, notFound } from './github-error.ts';
import type { Account, Deployment, DeploymentState, DeploymentStatus, Repository } from './github-state.ts';
import { presentDeployment, presentDeploymentStatus } from './present-deployment.ts';
import type { Statuses } from './statuses.ts';

export type Deployments = ReturnType<typeof createDeployments>;

export interface NewDeployment {
  sha: string;
  ref: string;
  task: string;
  environment: string;
  description: string | null;
  payload: string | Record<string, unknown>;
  transient: boolean;
  production: boolean;
  /** undefined: all contexts that the commit has must have succeeded. */
  requiredContexts: readonly string[] | undefined;
}

export interface NewDeploymentStatus {
  state: DeploymentState;
  description: string;
  environment: string | undefined;
  environmentUrl: string;
  logUrl: string;
  autoInactive: boolean;
}

const MAX_DESCRIPTION = 140;

/**
 * Deployments.
 *
 * Gotchas of GitHub that affect a product
 * - `required_contexts` left out means all: a deployment of a commit with a failing check is a 409.
 * - `auto_inactive` (default) on a `success` deactivates the earlier successful deployments of the same
 *   environment, but never transient or production ones: those the product must deactivate itself.
 */
export function createDeployments(context: GithubContext, statuses: Statuses) {
  const { state, links } = context;

  const newest = (deployment: Deployment): DeploymentStatus | undefined => deployment.statuses.at(-1);

  const refuseUnmetContexts = (repository: Repository, wanted: NewDeployment): void => {
    const latest = statuses.latest(repository, wanted.sha);
    const required = wanted.requiredContexts ?? latest.map((status) => status.context);
    const contexts = required.map((name) => ({
      context: name,
      state: latest.find((status) => status.context === name)?.state ?? 'pending',
    }));
    if (contexts.every((one) => one.state === 'success')) return;
    throw new GithubError(409, `Conflict: Commit status checks failed for ${wanted.ref}.`, {
      errors: [{ contexts, resource: 'Deployment', field: 'required_contexts', code: 'invalid' }],
    });
  };

  const addStatus = (
    repository: Repository,
    deployment: Deployment,
    creator: Account,
    wanted: Omit<NewDeploymentStatus, 'autoInactive'>,
  ): DeploymentStatus => {
    const status: DeploymentStatus = {
      ...wanted,
      id: context.nextNumber(),
      environment: wanted.environment ?? deployment.environment,
      creator,
      createdAt: context.now(),
    };
    deployment.statuses.push(status);
    deployment.updatedAt = status.createdAt;
    context.emit({
      name: 'deployment_status',
      repository,
      sender: creator,
      payload: {
        action: 'created',
        deployment_status: presentDeploymentStatus(links, repository, deployment, status),
        deployment: presentDeployment(links, repository, deployment),
      },
    });
    return status;
  };

  return {
    /** `inactive` of a transient environment is shown to people as "destroyed". */
    stateOf(deployment: Deployment): DeploymentState | 'destroyed' {
      const current = newest(deployment)?.state ?? 'pending';
      return current === 'inactive' && deployment.transient ? 'destroyed' : current;
    },

    get(repository: Repository, id: number): Deployment {
      const deployment = repository.deployments.find((one) => one.id === id);
      if (!deployment) throw notFound();
      return deployment;
    },

    /** @throws 409 while a required context has not succeeded. */
    create(repository: Repository, creator: Account, wanted: NewDeployment): Deployment {
      refuseUnmetContexts(repository, wanted);
      const at = context.now();
      const { requiredContexts: _, ...data } = wanted;
      const deployment: Deployment = {
        ...data,
        id: context.nextNumber(),
        creator,
        viaApp: appOfBot(state, creator),
        createdAt: at,
        updatedAt: at,
        statuses: [],
      };
      repository.deployments.push(deployment);
      context.emit({
        name: 'deployment',
        repository,
        sender: creator,
        payload: { action: 'created', deployment: presentDeployment(links, repository, deployment) },
      });
      return deployment;
    },

    addStatus(
      repository: Repository,
      deployment: Deployment,
      creator: Account,
      { autoInactive, ...wanted }: NewDeploymentStatus,
    ): DeploymentStatus {
      if (wanted.description.length > MAX_DESCRIPTION) {
        throw new GithubError(422, 'Validation Failed', {
          errors: [
            {
              resource: 'DeploymentStatus',
              field: 'description',
              code: 'custom',
              message: `description is too long (maximum is ${MAX_DESCRIPTION} characters)`,
            },
          ],
        });
      }
      const status = addStatus(repository, deployment, creator, wanted);
      if (!autoInactive || wanted.state !== 'success') return status;
      const earlier = repository.deployments.filter(
        (other) =>
          other !== deployment &&
          other.environment === status.environment &&
          !other.transient &&
          !other.production &&
          newest(other)?.state === 'success',
      );
      for (const other of earlier) {
        addStatus(repository, other, creator, {
          state: 'inactive',
          description: '',
          environment: undefined,
          environmentUrl: '',
          logUrl: '',
        });
      }
      return status;
    },
  };
}
