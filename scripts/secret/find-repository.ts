import type { Deployment } from '../../infra/deploy/deployment.ts';
import { deployedApp, statusOf } from '../../infra/github/app-client.ts';
import { OperatorError } from '../../infra/terminal/operator-error.ts';

export interface FoundRepository {
  id: number;
  /** The name as GitHub spells it now: a renamed repository can still be found under its old name. */
  fullName: string;
}

/**
 * The repository that secrets are kept for, by its number: another repository may get its name later.
 *
 * @param name `owner/repo`
 * @throws OperatorError where the App is not installed; GitHub gives the same answer for a wrong name
 */
export async function findRepository(deployment: Deployment, name: string): Promise<FoundRepository> {
  const [owner = '', repo = ''] = name.split('/');
  const app = await deployedApp(deployment);
  try {
    const where = { owner, repo };
    const { data: installation } = await app.octokit.request('GET /repos/{owner}/{repo}/installation', where);
    const octokit = await app.getInstallationOctokit(installation.id);
    const { data } = await octokit.request('GET /repos/{owner}/{repo}', where);
    return { id: Number(data.id), fullName: data.full_name };
  } catch (error) {
    if (statusOf(error) !== 404) throw error;
    const { GITHUB_URL, GITHUB_APP_SLUG } = deployment.settings;
    throw new OperatorError(
      `GitHub knows no repository ${owner}/${repo} in which the App "${GITHUB_APP_SLUG}" is installed.`,
      `Look at the spelling, or add the repository at ${GITHUB_URL}/apps/${GITHUB_APP_SLUG}/installations/new.`,
      { cause: error },
    );
  }
}
