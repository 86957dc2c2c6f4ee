import { workerName } from '../cloudflare/access-names.ts';
import type { DeployStep } from './deploy-step.ts';
import type { Deployment } from './deployment.ts';
import { requireOutputs } from './require-outputs.ts';
import { deleteOtherWorkerKeys, listWorkerKeys, makeWorkerKey } from './worker-key.ts';
import {
  KEY_SECRET,
  liveKeyId,
  readWebhookSecret,
  uploadWorkerSecrets,
  workerScript,
  workerVars,
} from './worker-secrets.ts';

/**
 * The Worker: its bundle, its settings, its secrets. Uploaded only when one of them differs from what
 * Cloudflare has, and given a new access key only when it has none or its key is gone.
 *
 * The Worker's own settings say which key is in use, so an interruption leaves at most a key that nobody uses; the
 * next run that makes a key, or the next rotation, removes it.
 */
export function workerStep(deployment: Deployment): DeployStep {
  const { settings } = deployment;
  const name = workerName(settings.DEPLOYMENT_ID);
  return {
    title: `Worker ${name}: takes GitHub's webhooks, wakes previews`,
    async plan() {
      const { outputs } = deployment.found;
      if (!outputs) return [`The Worker ${name} is uploaded with its secrets.`];
      // The deployed stack still has the other ingress.
      if ((settings.INGRESS === 'function-url') !== (outputs.IngressUrl !== undefined)) {
        return [`The Worker ${name} is uploaded with its new way in (INGRESS=${settings.INGRESS}).`];
      }
      return (await compare(deployment)).reasons;
    },
    async apply(progress) {
      const { reasons, keyFor, live } = await compare(deployment);
      if (reasons.length === 0) return 'nothing to upload';
      const secrets = { GITHUB_WEBHOOK_SECRET: await readWebhookSecret(deployment) };
      if (!keyFor) {
        await uploadWorkerSecrets(deployment, secrets, progress);
        return 'uploaded';
      }
      const key = await makeWorkerKey(deployment, keyFor, live);
      await uploadWorkerSecrets(deployment, secrets, progress, key);
      await deleteOtherWorkerKeys(deployment, keyFor, key.id);
      return 'uploaded with a new access key';
    },
  };
}

interface Comparison {
  reasons: string[];
  /** The user that needs a new access key. */
  keyFor: string | undefined;
  /** Id of the key that the Worker has now. */
  live: string | undefined;
}

async function compare(deployment: Deployment): Promise<Comparison> {
  const script = await workerScript(deployment);
  const { WorkerUserName } = await requireOutputs(deployment);
  const installed = await deployment.tools.worker.installed(script);
  if (!installed) {
    return {
      reasons: [`The Worker ${script.name} is uploaded with its secrets.`],
      keyFor: WorkerUserName,
      live: undefined,
    };
  }
  const reasons: string[] = [];
  const live = liveKeyId(installed);
  const keyFor =
    WorkerUserName && !(await isActive(deployment, WorkerUserName, live)) ? WorkerUserName : undefined;
  if (keyFor) reasons.push('The Worker gets a new AWS access key: it has none that works.');
  if (!installed.secretNames.includes('GITHUB_WEBHOOK_SECRET')) {
    reasons.push('The Worker gets the webhook secret.');
  }
  if (!WorkerUserName && installed.secretNames.includes(KEY_SECRET)) {
    reasons.push('The Worker loses its AWS access key: INGRESS is function-url.');
  }
  const vars = await workerVars(deployment, live);
  const changed = Object.keys({ ...installed.vars, ...vars }).filter(
    (name) => installed.vars[name] !== vars[name],
  );
  if (changed.length > 0) reasons.push(`The Worker is uploaded again: ${changed.join(', ')} changed.`);
  return { reasons, keyFor, live };
}

async function isActive(
  deployment: Deployment,
  userName: string,
  live: string | undefined,
): Promise<boolean> {
  const keys = await listWorkerKeys(deployment, userName);
  return keys.some(({ id, active }) => active && id === live);
}
