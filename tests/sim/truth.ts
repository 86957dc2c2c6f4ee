import { environmentKey } from '#core/environment-key';
import type { PullRequest } from '../../local/github/github-state.ts';
import type { SimWorld } from './sim-world.ts';

/** What GitHub, the commit and the operator ask for, for one pull request. */
export type Wanted = { kind: 'serving' | 'failed'; commit: string } | { kind: 'declined' } | { kind: 'gone' };

export const UNUSABLE = { 'eph.yaml': 'primry: web' };

export function wantedOf({ world }: SimWorld, pull: PullRequest): Wanted {
  if (pull.state === 'closed' || world.operator.paused === 'closed') return { kind: 'gone' };
  if (pull.draft) return { kind: 'declined' };
  const broken = world.files.get(pull.headSha)?.['eph.yaml'] === UNUSABLE['eph.yaml'];
  return { kind: broken ? 'failed' : 'serving', commit: pull.headSha };
}

export function pullsOf({ story }: SimWorld): PullRequest[] {
  return [...story.repository.pulls.values()];
}

export function pullOf(sim: SimWorld, key: string): PullRequest | undefined {
  return pullsOf(sim).find((pull) => environmentKey(pull.repositoryId, pull.number) === key);
}
