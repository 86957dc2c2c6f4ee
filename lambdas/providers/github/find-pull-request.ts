import type { PullRequest } from '#core/environment';
import type { PullAnswer, PullQuestion, RepositoryRef } from '../../ports.ts';

/**
 * The questions to GitHub. Each call that reads a repository uses a token for that repository alone: one of the whole
 * installation may read every public repository of the world. A refusal (401, 403, 404, 422) is an answer; an
 * outage or a rate limit is thrown.
 */
export interface GitHubQuestions {
  /** The pull request of that number under that name. `missing`: 404; `refused`: no token, or no permission. */
  pull(ref: RepositoryRef): Promise<{ repositoryId: number; pull: PullRequest } | 'missing' | 'refused'>;
  /** The repository's current name, by a new token. Undefined: the installation does not have it. */
  nameByNewToken(
    installationId: number,
    repositoryId: number,
  ): Promise<{ owner: string; name: string } | undefined>;
  /** Every pull request is an issue too, at another endpoint. Undefined: refused. */
  hasIssue(ref: RepositoryRef): Promise<boolean | undefined>;
  /** The installation that has a repository of that name. GitHub follows renames and transfers. */
  installationOf(owner: string, name: string): Promise<number | undefined>;
  /** Does GitHub accept the App's own key? */
  knowsApp(): Promise<boolean>;
  /** All installations of the App. Undefined: refused. */
  installations(): Promise<readonly { id: number; suspended: boolean }[] | undefined>;
  /** Is the repository in the complete list that a new token of the installation may see? Undefined: refused. */
  covers(installationId: number, repositoryId: number): Promise<boolean | undefined>;
}

/** A private App can be installed only on its owner's account; one that was made public may have more installations. */
const MAX_OTHER_INSTALLATIONS = 20;

/**
 * Finds the pull request, or proves that this App may not see its repository any more.
 *
 * GitHub answers 404 for what was deleted, for what the App may not see, and during some outages. So one 404 proves
 * nothing, and "no access" removes people's previews. The order:
 *
 *   1. the names: those that GitHub confirmed last, then those of the message
 *   2. the id, by a new token: names may be out of date, or belong to another repository by now
 *   3. the proof, only for a repository that GitHub has confirmed before: the App's own key is accepted, no other
 *      installation has it, and its own one is gone from the list or suspended, or its complete list lacks the id
 *
 * Step 1 uses cached tokens, and is left out when the question is who may see the repository (`freshly`).
 */
export async function findPullRequest(github: GitHubQuestions, question: PullQuestion): Promise<PullAnswer> {
  const { repositoryId, confirmed, said, freshly } = question;
  const refs = confirmed && !isSame(confirmed, said) ? [confirmed, said] : [said];
  for (const ref of freshly ? [] : refs) {
    const found = await github.pull(ref);
    if (typeof found === 'object' && found.repositoryId === repositoryId)
      return { kind: 'known', pull: found.pull, access: ref.access };
  }
  const lookIn = lookById(github, repositoryId);
  for (const { access } of refs) {
    const answer = await lookIn(Number(access));
    if (answer) return answer;
  }
  for (const { owner, name } of refs) {
    const answer = await lookIn(await github.installationOf(owner, name));
    if (answer) return answer;
  }
  return prove(github, confirmed, lookIn);
}

type LookIn = (installationId: number | undefined) => Promise<PullAnswer | undefined>;

/** Asks each installation once. Undefined: it does not have the repository. */
function lookById(github: GitHubQuestions, repositoryId: number): LookIn {
  const asked = new Set<number>();
  return async (installationId) => {
    if (installationId === undefined || asked.has(installationId)) return undefined;
    asked.add(installationId);
    const name = await github.nameByNewToken(installationId, repositoryId);
    if (!name) return undefined;
    const access = String(installationId);
    const ref = { repositoryId, access, ...name };
    const found = await github.pull(ref);
    if (found === 'refused') return unknown('the App may not read the pull requests of this repository');
    if (found !== 'missing') {
      return found.repositoryId === repositoryId ? { kind: 'known', pull: found.pull, access } : undefined;
    }
    if ((await github.hasIssue(ref)) === false) return { kind: 'no-pull' };
    return unknown('GitHub has the number and does not show the pull request');
  };
}

async function prove(
  github: GitHubQuestions,
  confirmed: RepositoryRef | undefined,
  lookIn: LookIn,
): Promise<PullAnswer> {
  if (!confirmed) return unknown('GitHub knows no such pull request by these names');
  const { access, repositoryId } = confirmed;
  if (!(await github.knowsApp())) return unknown('GitHub does not know this App by its key');
  const all = await github.installations();
  if (!all) return unknown('the installations of the App could not be listed');
  for (const { id } of all.filter(({ suspended }) => !suspended).slice(0, MAX_OTHER_INSTALLATIONS)) {
    const answer = await lookIn(id);
    if (answer) return answer;
  }
  const own = all.find(({ id }) => id === Number(access));
  if (!own || own.suspended) return { kind: 'no-access', lostAccess: access };
  switch (await github.covers(Number(access), repositoryId)) {
    case true:
      return unknown('the installation has the repository and may not read it');
    case false:
      return { kind: 'no-access' };
    case undefined:
      return unknown('the repositories of the installation could not be listed');
  }
}

function unknown(why: string): PullAnswer {
  return { kind: 'unknown', why };
}

function isSame(a: RepositoryRef, b: RepositoryRef): boolean {
  return a.access === b.access && a.owner === b.owner && a.name === b.name;
}
