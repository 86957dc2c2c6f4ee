import type { Deployment } from '../../infra/deploy/deployment.ts';
import { readWebhookSecret, uploadWorkerSecrets } from '../../infra/deploy/worker-secrets.ts';
import { deployedApp } from '../../infra/github/app-client.ts';

/**
 * `make rotate WHAT=webhook-secret`. The Worker accepts both secrets before GitHub signs with the new one:
 *
 *   new and old in the Worker -> both in Parameter Store -> GitHub signs with it -> (later, DROP=1) old forgotten
 *
 * At whatever point it is interrupted, the Worker accepts the secret that GitHub signs with, and running it again
 * completes it. The old secret is kept for deliveries that are still on their way and for those that GitHub is asked
 * to send again.
 */
export async function rotateWebhookSecret(
  deployment: Deployment,
  { dropPrevious }: { dropPrevious: boolean },
): Promise<void> {
  const { terminal, parameters, names } = deployment;
  const current = await readWebhookSecret(deployment);
  const app = await deployedApp(deployment);
  // An interrupted rotation may have left GitHub with the secret before this one, which the Worker is about to
  // forget; it knows this one. The call also shows, before anything changes, whether GitHub accepts the App's key.
  await app.octokit.request('PATCH /app/hook/config', { secret: current });

  if (dropPrevious) {
    await uploadWorker(deployment, current, current);
    await parameters.remove([names.webhookSecretPrevious]);
    terminal.mark('done', 'The Worker takes the present secret only.');
    return;
  }
  const next = Buffer.from(deployment.randomBytes(32)).toString('hex');
  await uploadWorker(deployment, next, current);
  terminal.mark('done', 'The Worker takes both secrets.');
  // The order matters: the function behind INGRESS_URL reads both there, and must always know the one that GitHub
  // uses.
  await parameters.writeSecret(names.webhookSecretPrevious, current);
  await parameters.writeSecret(names.webhookSecret, next);
  await app.octokit.request('PATCH /app/hook/config', { secret: next });
  terminal.mark('done', 'GitHub signs with the new one.');
  terminal.mark(
    'warning',
    'The Worker still takes the old one, for deliveries that are under way or sent again.',
    'Tomorrow: make rotate WHAT=webhook-secret DROP=1',
  );
}

/**
 * Uploads the Worker. A secret that is not named stays, so the old one is not deleted but overwritten with the same
 * value.
 */
async function uploadWorker(deployment: Deployment, current: string, previous: string): Promise<void> {
  const secrets = { GITHUB_WEBHOOK_SECRET: current, GITHUB_WEBHOOK_SECRET_PREVIOUS: previous };
  await deployment.terminal.during('Handing it to the Worker', (progress) =>
    uploadWorkerSecrets(deployment, secrets, progress),
  );
}
