import type { PullRequest } from '#core/environment';
import type { PullAnswer, PullQuestion, RepositoryRef } from '../ports.ts';

/**
 * What GitHub is asked, one call each (`covers`: one a page). A refusal (401, 403, 404, 422) is an answer; an
 * outage or a rate limit is thrown.
 */
export interface GitHubQuestions {
  /** The pull request of that number under that name. Undefined: refused. */
  pull(ref: RepositoryRef): Promise<{ repositoryId: number; pull: PullRequest } | undefined>;
  /** The repository's name of today, by a new token for it alone. Undefined: the installation does not have it. */
  nameByNewToken(
    installationId: number,
    repositoryId: number,
  ): Promise<{ owner: string; name: string } | undefined>;
  /** The installation that has a repository of that name. GitHub follows renames and transfers. */
  installationOf(owner: string, name: string): Promise<number | undefined>;
  /** Does GitHub know us, by our own key? */
  knowsApp(): Promise<boolean>;
  installation(installationId: number): Promise<'active' | 'suspended' | 'missing'>;
  /** Is the repository in the whole list that a new token of the installation may see? Undefined: refused. */
  covers(installationId: number, repositoryId: number): Promise<boolean | undefined>;
}

/**
 * Finds the pull request, or proves that this App may not see its repository any more.
 *
 * GitHub says 404 for what was deleted, for what we may not see, and during some outages; so one 404 proves
 * nothing, and "no access" takes away people's previews. The order:
 *
 *   1. the names: those that GitHub confirmed last, then those of the message
 *   2. the id, by a new token: names may be out of date, or belong to another repository by now
 *   3. the proof, only for a repository that GitHub has confirmed before: our own key is good, and the
 *      installation is gone or suspended, or its whole list lacks the id
 *
 * A public repository that was taken out of the installation can still be read by anybody, so step 1 is left
 * out when the question is who may see it (`freshly`).
 */
export async function findPullRequest(github: GitHubQuestions, question: PullQuestion): Promise<PullAnswer> {
  const { repositoryId, confirmed, said, freshly } = question;
  const refs = confirmed && !isSame(confirmed, said) ? [confirmed, said] : [said];
  for (const ref of freshly ? [] : refs) {
    const found = await github.pull(ref);
    if (found?.repositoryId === repositoryId) return known(found.pull, ref.installationId);
  }
  return (await findById(github, refs, repositoryId)) ?? (await prove(github, confirmed));
}

async function findById(
  github: GitHubQuestions,
  refs: readonly RepositoryRef[],
  repositoryId: number,
): Promise<PullAnswer | undefined> {
  const asked = new Set<number>();
  const lookIn = async (installationId: number | undefined): Promise<PullAnswer | undefined> => {
    if (installationId === undefined || asked.has(installationId)) return undefined;
    asked.add(installationId);
    const name = await github.nameByNewToken(installationId, repositoryId);
    if (!name) return undefined;
    const found = await github.pull({ repositoryId, installationId, ...name });
    if (!found) return { kind: 'no-pull' };
    return found.repositoryId === repositoryId ? known(found.pull, installationId) : undefined;
  };
  for (const { installationId } of refs) {
    const answer = await lookIn(installationId);
    if (answer) return answer;
  }
  for (const { owner, name } of refs) {
    const answer = await lookIn(await github.installationOf(owner, name));
    if (answer) return answer;
  }
  return undefined;
}

async function prove(github: GitHubQuestions, confirmed: RepositoryRef | undefined): Promise<PullAnswer> {
  if (!confirmed) return { kind: 'unknown', why: 'GitHub knows no such pull request by these names' };
  const { installationId, repositoryId } = confirmed;
  if (!(await github.knowsApp())) return { kind: 'unknown', why: 'GitHub does not know this App by its key' };
  if ((await github.installation(installationId)) !== 'active')
    return { kind: 'no-access', lostInstallation: installationId };
  switch (await github.covers(installationId, repositoryId)) {
    case true:
      return { kind: 'unknown', why: 'the installation has the repository and may not read it' };
    case false:
      return { kind: 'no-access' };
    case undefined:
      return { kind: 'unknown', why: 'the repositories of the installation could not be listed' };
  }
}

function known(pull: PullRequest, installationId: number): PullAnswer {
  return { kind: 'known', pull, installationId };
}

function isSame(a: RepositoryRef, b: RepositoryRef): boolean {
  return a.installationId === b.installationId && a.owner === b.owner && a.name === b.name;
}
