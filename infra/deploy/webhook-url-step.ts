import { deployedApp } from '../github/app-client.ts';
import { readHook } from '../github/check-app.ts';
import type { DeployStep } from './deploy-step.ts';
import type { Deployment } from './deployment.ts';
import { readWebhookSecret } from './worker-secrets.ts';

/**
 * Tells GitHub where to deliver. This step is the last, since GitHub does not repeat a delivery that nobody accepted.
 *
 * The secret cannot be read back, so it is only set together with a new address; `make rotate WHAT=webhook-secret`
 * replaces it. https://docs.github.com/en/rest/apps/webhooks
 */
export function webhookUrlStep(deployment: Deployment): DeployStep {
  const { settings, tools } = deployment;
  const wanted = {
    url: tools.worker.webhookUrl(settings.WEBHOOK_HOST),
    content_type: 'json',
    insecure_ssl: '0',
  };
  return {
    title: 'GitHub App: where events are delivered',
    async plan() {
      const hook = await readHook(await deployedApp(deployment));
      if (!hook?.url) return [`GitHub delivers to ${wanted.url}.`];
      if (hook.url !== wanted.url) return [`GitHub delivers to ${wanted.url}, no longer to ${hook.url}.`];
      if (hook.content_type !== 'json')
        return [`GitHub delivers as json, no longer as ${hook.content_type}.`];
      return [];
    },
    async apply() {
      const app = await deployedApp(deployment);
      const hook = await readHook(app);
      if (hook?.url === wanted.url && hook.content_type === 'json') return `already ${wanted.url}`;
      const secret = await readWebhookSecret(deployment);
      // The values are passed as `data`, because Octokit takes a parameter `url` for the address of the request.
      await app.octokit.request('PATCH /app/hook/config', { data: { ...wanted, secret } });
      return `GitHub delivers to ${wanted.url}`;
    },
  };
}
