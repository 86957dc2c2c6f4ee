import type { PullRequest, Repository } from './github-state.ts';

/** The addresses inside replies and payloads. */
export interface Links {
  /** `<url>/api/v3` */
  api: string;
  html: string;
  /** The base of the addresses that machines fetch: clones and archives. Hosts in their own networks must reach it. */
  reachable: string;
}

export function fullName(repository: Repository): string {
  return `${repository.owner.login}/${repository.name}`;
}

export function repositoryApi(links: Links, repository: Repository): string {
  return `${links.api}/repos/${fullName(repository)}`;
}

export function repositoryHtml(links: Links, repository: Repository): string {
  return `${links.html}/${fullName(repository)}`;
}

export function pullApi(links: Links, repository: Repository, pull: PullRequest): string {
  return `${repositoryApi(links, repository)}/pulls/${pull.number}`;
}

export function pullHtml(links: Links, repository: Repository, pull: PullRequest): string {
  return `${repositoryHtml(links, repository)}/pull/${pull.number}`;
}

/** GitHub's opaque global id: a prefix for the kind, then the encoded number. */
export function nodeId(kind: string, id: number | string): string {
  return `${kind}_${Buffer.from(`${kind}:${id}`).toString('base64url')}`;
}

/** GitHub's timestamps have no milliseconds. */
export function timestamp(epochMs: number): string {
  return `${new Date(epochMs).toISOString().slice(0, 19)}Z`;
}

export function timestampOrNull(epochMs: number | null): string | null {
  return epochMs === null ? null : timestamp(epochMs);
}
