import type { Summary } from '#core/summary';
import { describe } from './describe.ts';
import type { GithubReported } from './github-reported.ts';
import type { StatusState, StatusToSet } from './github-wire.ts';

/** The status of the head commit; undefined: there is nothing new to report, whatever it is now. */
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
 * The state of a commit that is not deployed (any more). A status that was begun must end, and must not lead to an
 * address that is gone. It is no failure, since the commit is not at fault and may be part of the main branch by now; a
 * failed status stays failed. A preview that only sleeps keeps its status.
 */
function endedState(
  { wanted, commit, mustAnswer }: Summary,
  { status }: GithubReported,
): StatusState | undefined {
  if (wanted) return undefined;
  if (status && [commit, ''].includes(status.sha)) return status.state === 'failure' ? undefined : 'success';
  return mustAnswer ? 'success' : undefined;
}
