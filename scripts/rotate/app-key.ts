import type { Deployment } from '../../infra/deploy/deployment.ts';
import { refreshFunctions } from '../../infra/deploy/refresh-functions.ts';
import { deployedApp, openApp, statusOf } from '../../infra/github/app-client.ts';
import { type AppIdentity, appIdentity, appSettingsPage } from '../../infra/github/app-page.ts';
import type { Environment } from '../../infra/settings/env-file.ts';
import { OperatorError } from '../../infra/terminal/operator-error.ts';
import { readPrivateKey } from '../setup/read-private-key.ts';

/**
 * `make rotate WHAT=app-key`. GitHub makes keys on its page only, so a person makes and deletes them; both keys work
 * in between:
 *
 *   new key made by hand -> GitHub accepts it -> Parameter Store -> the functions read it -> old key deleted by hand
 */
export async function rotateAppKey(deployment: Deployment, environment: Environment): Promise<void> {
  const { terminal, settings, parameters, names } = deployment;
  const { GITHUB_APP_SLUG: slug, GITHUB_URL: githubUrl } = settings;
  const known = await currentIdentity(deployment);
  const page = known ? appSettingsPage(githubUrl, known) : `${githubUrl}/apps/${slug}`;
  terminal.print(`"Generate a private key" at ${page} saves a .pem file.`);

  const { privateKey, file } = await readPrivateKey(terminal, environment);
  if (privateKey.trim() === (await parameters.read(names.githubAppKey))?.trim()) {
    throw new OperatorError(
      'This is the key that is in use already. Nothing was changed.',
      `"Generate a private key" at ${page}, and give the path of the new file.`,
    );
  }
  await requireAccepted(deployment, privateKey, page);
  await parameters.writeSecret(names.githubAppKey, privateKey);
  await terminal.during('Giving it to the functions', () => refreshFunctions(deployment));
  terminal.mark('done', 'The new key is stored, and the functions use it.');
  const cleanUp = file ? `, and here: rm ${file}` : '';
  terminal.mark('warning', 'The old key still works.', `Delete it at ${page} ("Private keys")${cleanUp}`);
}

async function currentIdentity(deployment: Deployment): Promise<AppIdentity | undefined> {
  try {
    const { data } = await (await deployedApp(deployment)).octokit.request('GET /app');
    return data ? appIdentity(data) : undefined;
  } catch {
    // The old key may be why the key is replaced.
    return undefined;
  }
}

async function requireAccepted({ settings }: Deployment, privateKey: string, page: string): Promise<void> {
  const app = openApp({ appId: settings.GITHUB_APP_ID, privateKey, apiUrl: settings.GITHUB_API_URL });
  try {
    await app.octokit.request('GET /app');
  } catch (error) {
    if (![401, 404].includes(statusOf(error) ?? 0)) throw error;
    throw new OperatorError(
      `GitHub does not accept this key for the App ${settings.GITHUB_APP_ID}. Nothing was changed.`,
      `Take a key that was generated at ${page}.`,
    );
  }
}
