import type { Summary } from '#core/summary';
import { describe } from './describe.ts';
import type { DeploymentState, DeploymentStatusToSet } from './github-wire.ts';

export function renderDeployment(summary: Summary): DeploymentStatusToSet {
  const { tone, links, short } = summary;
  return {
    state: stateOf(summary),
    description: describe(short),
    ...(tone === 'good' && links ? { url: links.main } : {}),
  };
}

function stateOf({ tone, state }: Summary): DeploymentState {
  switch (tone) {
    case 'pending':
      return state === 'queued' || state === 'paused' ? 'pending' : 'in_progress';
    case 'good':
      return 'success';
    case 'bad':
      return 'failure';
    case 'over':
      return 'inactive';
  }
}
