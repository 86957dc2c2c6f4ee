import { createHash, createHmac } from 'node:crypto';
import { workerName } from '../cloudflare/access-names.ts';
import { OperatorError } from '../terminal/operator-error.ts';
import { HOME } from './aws-home.ts';
import type { InstalledWorker, WorkerScript } from './deploy-tools.ts';
import type { Deployment } from './deployment.ts';
import { requireOutputs } from './require-outputs.ts';
import type { WorkerKey } from './worker-key.ts';

/** The secret for the ingress on which the Worker itself puts jobs into the queue. */
export const KEY_SECRET = 'AWS_SECRET_ACCESS_KEY';
const KEY_ID = 'AWS_ACCESS_KEY_ID';

/** The id is no secret, so it is a setting of the Worker: only the Worker knows which key it really uses. */
export function liveKeyId(installed: InstalledWorker | undefined): string | undefined {
  return installed?.secretNames.includes(KEY_SECRET) ? installed.vars[KEY_ID] : undefined;
}

/**
 * Uploads the Worker in its wanted state, with these secrets; secrets not named here stay. A rotation calls it
 * directly, a deploy through `worker-step.ts`.
 *
 * @param key a new key; without it the Worker keeps the one it has
 * @returns the version that `GET /health` reports for this upload
 */
export async function uploadWorkerSecrets(
  deployment: Deployment,
  secrets: Record<string, string>,
  progress: (detail: string) => void = () => undefined,
  key?: WorkerKey,
): Promise<string> {
  const { tools } = deployment;
  const script = await workerScript(deployment);
  const installed = await tools.worker.installed(script);
  const keyId = key?.id ?? liveKeyId(installed);
  const vars = await workerVars(deployment, keyId, secrets['GITHUB_WEBHOOK_SECRET']);
  const all = key ? { ...secrets, [KEY_SECRET]: key.secret } : secrets;
  const there = installed?.secretNames ?? [];
  // With both ways in the Worker refuses to work: INGRESS was switched to the function's address.
  const dropSecrets = vars['INGRESS_URL'] ? there.filter((name) => name === KEY_SECRET) : [];
  await tools.worker.upload({ ...script, vars, secrets: all, dropSecrets }, progress);
  return vars['VERSION'] ?? '';
}

export async function workerScript({ settings, cloudflare }: Deployment): Promise<WorkerScript> {
  return {
    name: workerName(settings.DEPLOYMENT_ID),
    accountId: cloudflare.accountId,
    apiToken: await cloudflare.token(),
  };
}

/**
 * The Worker's settings beside its secrets. VERSION also shows a later deploy that nothing changed, key and webhook
 * secret included: a Worker's secret cannot be read again, so VERSION contains a keyed hash of it.
 */
export async function workerVars(
  deployment: Deployment,
  keyId: string | undefined,
  webhookSecret?: string,
): Promise<Record<string, string>> {
  const { settings, tools } = deployment;
  const outputs = await requireOutputs(deployment);
  const secret = webhookSecret ?? (await readWebhookSecret(deployment));
  const bundle = await tools.worker.version();
  const mark = createHmac('sha256', secret).update(settings.DEPLOYMENT_ID).digest('hex');
  const wayIn: Record<string, string> = outputs.IngressUrl
    ? { INGRESS_URL: outputs.IngressUrl }
    : {
        SQS_QUEUE_URL: outputs.JobQueueUrl,
        AWS_REGION: settings.AWS_REGION,
        ...(keyId && { [KEY_ID]: keyId }),
      };
  const version = createHash('sha256')
    .update(`${bundle} ${mark} ${wayIn[KEY_ID]}`)
    .digest('hex')
    .slice(0, 16);
  const home = await deployment.home();
  return { ...wayIn, PREVIEW_SUFFIX: settings.PREVIEW_SUFFIX, [HOME]: home, VERSION: version };
}

export async function readWebhookSecret({ parameters, names }: Deployment): Promise<string> {
  const secret = await parameters.read(names.webhookSecret);
  if (secret) return secret;
  throw new OperatorError(
    `The GitHub App's webhook secret is not in Parameter Store (${names.webhookSecret}).`,
    'make setup stores it there.',
  );
}
