import type { Summary } from '#core/summary';
import { describe } from './describe.ts';
import type { GithubReported } from './github-reported.ts';
import type { StatusState, StatusToSet } from './github-wire.ts';

/** What the head commit's status says; undefined: nothing new, whatever it is now. */
export function renderStatus(summary: Summary, reported: GithubReported): StatusToSet | undefined {
  const state = stateOf(summary, reported);
  if (!state) return undefined;
  const { links } = summary;
  return {
    state,
    description: describe(summary.short),
    ...(summary.tone === 'good' && links ? { url: links.main } : {}),
  };
}

function stateOf(summary: Summary, reported: GithubReported): StatusState | undefined {
  switch (summary.tone) {
    case 'pending':
      return 'pending';
    case 'good':
      return 'success';
    case 'bad':
      return 'failure';
    case 'over':
      return endedState(summary, reported);
  }
}

/**
 * Of what is not deployed (any more). A status that was begun must end, and must not lead to an address that is gone.
 * It says nothing against the commit, which may be part of the main branch by now, so it is no failure; what
 * failed stays so. What only sleeps keeps the status that it had.
 */
function endedState(
  { wanted, commit, mustAnswer }: Summary,
  { status }: GithubReported,
): StatusState | undefined {
  if (wanted) return undefined;
  if (status && [commit, ''].includes(status.sha)) return status.state === 'failure' ? undefined : 'success';
  return mustAnswer ? 'success' : undefined;
}
