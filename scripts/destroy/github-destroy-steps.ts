import type { App } from '@octokit/app';
import type { DestroyStep } from '../../infra/deploy/deploy-step.ts';
import type { Deployment } from '../../infra/deploy/deployment.ts';
import { deployedApp, statusOf } from '../../infra/github/app-client.ts';
import { appIdentity, appSettingsPage } from '../../infra/github/app-page.ts';
import { readHook } from '../../infra/github/check-app.ts';
import { OperatorError } from '../../infra/terminal/operator-error.ts';

/**
 * The App's installations, each named by its account before it is removed. An App whose webhook points elsewhere now
 * belongs to another deployment and is not changed. Only its owner can delete the App itself, on its page
 * (`appFarewell`). This step needs the App's key, so it comes before the parameters.
 */
export function githubDestroyStep(deployment: Deployment): DestroyStep {
  return {
    title: 'Installations of the GitHub App',
    async list() {
      const app = await ownApp(deployment);
      return app ? (await installations(app)).map(({ where }) => where) : [];
    },
    async remove(progress) {
      const app = await ownApp(deployment);
      for (const { id, where } of app ? await installations(app) : []) {
        progress(where);
        await app?.octokit.request('DELETE /app/installations/{installation_id}', { installation_id: id });
      }
    },
  };
}

/** What a person still has to do on GitHub; undefined when the App is gone or not this deployment's. */
export async function appFarewell(deployment: Deployment): Promise<string | undefined> {
  const app = await ownApp(deployment);
  if (!app) return undefined;
  const { data } = await app.octokit.request('GET /app');
  if (!data) return undefined;
  const page = appSettingsPage(deployment.settings.GITHUB_URL, appIdentity(data));
  return `GitHub lets only a person delete the App itself: ${page}/advanced, "Delete GitHub App".`;
}

/** Undefined if the App or its key is gone, or if it delivers to another deployment. */
async function ownApp(deployment: Deployment): Promise<App | undefined> {
  const { settings, tools } = deployment;
  try {
    const app = await deployedApp(deployment);
    const hook = await readHook(app);
    const own = [
      tools.worker.webhookUrl(settings.WEBHOOK_HOST),
      `https://${settings.WEBHOOK_HOST}/webhooks/github`,
    ];
    return hook?.url && own.includes(hook.url) ? app : undefined;
  } catch (error) {
    // Without a key GitHub cannot be asked: an earlier run has removed the key, or setup did not make one.
    if (error instanceof OperatorError || [401, 404].includes(statusOf(error) ?? 0)) return undefined;
    throw error;
  }
}

async function installations(app: App): Promise<{ id: number; where: string }[]> {
  const found: { id: number; where: string }[] = [];
  for await (const { installation } of app.eachInstallation.iterator()) {
    const { id, account, app_slug, target_id } = installation;
    found.push({ id, where: `${app_slug} on ${account?.login ?? `account ${target_id}`}` });
  }
  return found;
}
