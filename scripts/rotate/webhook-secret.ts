import type { Deployment } from '../../infra/deploy/deployment.ts';
import { readWebhookSecret, uploadWorkerSecrets } from '../../infra/deploy/worker-secrets.ts';
import { deployedApp } from '../../infra/github/app-client.ts';

/**
 * `make rotate WHAT=webhook-secret`. The Worker takes both secrets before GitHub signs with the new one:
 *
 *   new and old in the Worker -> both in Parameter Store -> GitHub signs with it -> (later, DROP=1) old forgotten
 *
 * In whichever place it is interrupted, the Worker takes what GitHub signs with, and running it again ends well.
 * The old one is kept for deliveries under way and for those that GitHub is told to send again.
 */
export async function rotateWebhookSecret(
  deployment: Deployment,
  { dropPrevious }: { dropPrevious: boolean },
): Promise<void> {
  const { terminal, parameters, names } = deployment;
  const current = await readWebhookSecret(deployment);
  const app = await deployedApp(deployment);
  // A rotation that broke off may have left GitHub with the secret before this one, which the Worker is about to
  // forget; this one it knows. Also tells, before anything changes, whether GitHub takes the App's key at all.
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
  // In this order: the function behind INGRESS_URL reads both there, and must at no time know neither.
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

/** A secret of a Worker that is not named stays, so the old one is not deleted but made the same. */
async function uploadWorker(deployment: Deployment, current: string, previous: string): Promise<void> {
  const secrets = { GITHUB_WEBHOOK_SECRET: current, GITHUB_WEBHOOK_SECRET_PREVIOUS: previous };
  await deployment.terminal.during('Handing it to the Worker', (progress) =>
    uploadWorkerSecrets(deployment, secrets, progress),
  );
}
