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
 * - By default, making a deployment merges the default branch into it and waits for every check: both are turned off.
 * - `head.repo` is null when a fork was deleted, although the types say otherwise: null is a fork.
 * - When a token is requested, a removed installation answers 404, a suspended one 403, and a repository that it does
 *   not have 422; an older token continues to read a public repository. New tokens show what a refusal means.
 * - Right after a push the commit may be 404 for a moment: only an answer of 200 shows that a file does not exist.
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
