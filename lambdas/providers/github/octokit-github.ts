import { withErrors } from '../../adapters/with-errors.ts';
import { findPullRequest } from './find-pull-request.ts';
import { type GithubSettings, githubClient } from './github-client.ts';
import { githubDeliveries } from './github-deliveries.ts';
import { asGitHubError } from './github-error.ts';
import { githubFiles } from './github-files.ts';
import { githubQuestions } from './github-questions.ts';
import { githubReports } from './github-reports.ts';
import type { GithubWire } from './github-wire.ts';

/**
 * GitHub by Octokit: pull requests, files, archives, and what people see, each with a token of the App for that
 * repository alone (`repository-tokens.ts`).
 *
 * Gotchas
 * - Deployments default to merging the default branch in and to waiting for every check: both are refused.
 * - `head.repo` is null when a fork was deleted, although the types say otherwise: null is a fork.
 * - An installation that is gone answers 404, a suspended one 403, a repository that it does not have 422, all at
 *   the token; a token that was given out before goes on reading a public repository. What a refusal means is
 *   found out by new tokens.
 * - Right after a push the commit may be 404 for a moment: only an answer of 200 says that a file is not there.
 * - A comment is ours by marker and by author: anybody can write the marker.
 */
export function octokitGithub(settings: GithubSettings): GithubWire {
  const client = githubClient(settings);
  return withErrors<GithubWire>(
    {
      read: (question) => findPullRequest(githubQuestions(client, question.number), question),
      ...githubFiles(client),
      ...githubReports(client),
      ...githubDeliveries(client),
    },
    (error) => asGitHubError(error, settings.now()),
  );
}
