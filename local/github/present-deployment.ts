import type { CommitStatus, Deployment, DeploymentStatus, Repository } from './github-state.ts';
import { type Links, nodeId, repositoryApi, timestamp } from './links.ts';
import { presentAccount, presentApp } from './present-account.ts';

type Json = Record<string, unknown>;

export function presentCommitStatus(links: Links, repository: Repository, status: CommitStatus): Json {
  return {
    url: `${repositoryApi(links, repository)}/statuses/${status.sha}`,
    avatar_url: `${links.html}/_avatars/${status.creator.id}`,
    id: status.id,
    node_id: nodeId('SC', status.id),
    state: status.state,
    description: status.description,
    target_url: status.targetUrl,
    context: status.context,
    created_at: timestamp(status.createdAt),
    updated_at: timestamp(status.createdAt),
  };
}

export function presentDeployment(links: Links, repository: Repository, deployment: Deployment): Json {
  const api = repositoryApi(links, repository);
  const self = `${api}/deployments/${deployment.id}`;
  return {
    url: self,
    id: deployment.id,
    node_id: nodeId('DE', deployment.id),
    task: deployment.task,
    original_environment: deployment.environment,
    environment: deployment.environment,
    description: deployment.description,
    created_at: timestamp(deployment.createdAt),
    updated_at: timestamp(deployment.updatedAt),
    statuses_url: `${self}/statuses`,
    repository_url: api,
    creator: presentAccount(links, deployment.creator),
    sha: deployment.sha,
    ref: deployment.ref,
    payload: deployment.payload,
    transient_environment: deployment.transient,
    production_environment: deployment.production,
    performed_via_github_app: deployment.viaApp ? presentApp(links, deployment.viaApp) : null,
  };
}

export function presentDeploymentStatus(
  links: Links,
  repository: Repository,
  deployment: Deployment,
  status: DeploymentStatus,
): Json {
  const api = repositoryApi(links, repository);
  const parent = `${api}/deployments/${deployment.id}`;
  return {
    url: `${parent}/statuses/${status.id}`,
    id: status.id,
    node_id: nodeId('DES', status.id),
    state: status.state,
    creator: presentAccount(links, status.creator),
    description: status.description,
    environment: status.environment,
    // GitHub shows the log's address under its old name as well.
    target_url: status.logUrl,
    created_at: timestamp(status.createdAt),
    updated_at: timestamp(status.createdAt),
    deployment_url: parent,
    repository_url: api,
    environment_url: status.environmentUrl,
    log_url: status.logUrl,
    performed_via_github_app: deployment.viaApp ? presentApp(links, deployment.viaApp) : null,
  };
}
