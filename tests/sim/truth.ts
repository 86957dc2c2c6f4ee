import { environmentKey } from '#core/environment-key';
import type { PullRequest } from '../../local/github/github-state.ts';
import type { Simulation } from './simulation.ts';

/** The state that GitHub, the commit and the operator ask for, for one pull request. */
export type Wanted = { kind: 'serving' | 'failed'; commit: string } | { kind: 'declined' } | { kind: 'gone' };

export const UNUSABLE = { 'eph.yaml': 'primry: web' };

export const NOTHING_TO_RUN = { 'README.md': 'soon' };

export function wantedOf({ platform, story }: Simulation, pull: PullRequest): Wanted {
  const { archived } = story.repository;
  if (pull.state === 'closed' || archived || platform.operator.paused === 'closed') return { kind: 'gone' };
  const [listed, excluded] = platform.config.REPOSITORIES;
  const isOthers = pull.headRepositoryId !== pull.repositoryId || pull.author.type === 'Bot';
  if (pull.draft || isOthers || excluded) return { kind: 'declined' };
  const files = platform.files.get(pull.headSha);
  if (files?.['eph.yaml'] === UNUSABLE['eph.yaml']) return { kind: 'failed', commit: pull.headSha };
  if (!listed || files === NOTHING_TO_RUN) return { kind: 'declined' };
  return { kind: 'serving', commit: pull.headSha };
}

export function pullsOf({ story }: Simulation): PullRequest[] {
  return [...story.repository.pulls.values()];
}

export function pullOf(sim: Simulation, key: string): PullRequest | undefined {
  return pullsOf(sim).find((pull) => environmentKey(pull.repositoryId, pull.number) === key);
}
