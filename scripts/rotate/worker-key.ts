import type { Deployment } from '../../infra/deploy/deployment.ts';
import { healthAddress } from '../../infra/deploy/health-address.ts';
import { requireOutputs } from '../../infra/deploy/require-outputs.ts';
import { deleteOtherWorkerKeys, makeWorkerKey } from '../../infra/deploy/worker-key.ts';
import { liveKeyId, uploadWorkerSecrets, workerScript } from '../../infra/deploy/worker-secrets.ts';
import { OperatorError } from '../../infra/terminal/operator-error.ts';

/**
 * `make rotate WHAT=worker-key`. Both keys work until the Worker is known to answer with the new one:
 *
 *   new key made and known to AWS -> in the Worker -> the Worker answers as the new upload -> old key deleted
 *
 * An interruption leaves at most one key too many, which the next rotation removes: never the one in use, since the
 * Worker's own settings say which one that is. A delivery that reaches an old isolate in the following seconds fails
 * for GitHub, and is requested again.
 */
export async function rotateWorkerKey(deployment: Deployment): Promise<void> {
  const { terminal, tools } = deployment;
  const { WorkerUserName } = await requireOutputs(deployment);
  if (!WorkerUserName) {
    throw new OperatorError(
      'The Worker of this deployment has no access key: INGRESS is function-url.',
      'There is nothing to rotate.',
    );
  }
  const live = liveKeyId(await tools.worker.installed(await workerScript(deployment)));
  const key = await terminal.during('Making a new access key', () =>
    makeWorkerKey(deployment, WorkerUserName, live),
  );
  terminal.mark('done', `${key.id} was made and AWS accepts it.`);

  await terminal.during('Handing it to the Worker', async (progress) => {
    await requireHealth(deployment, await uploadWorkerSecrets(deployment, {}, progress, key));
  });
  terminal.mark('done', 'The Worker answers with it.');

  const removed = await deleteOtherWorkerKeys(deployment, WorkerUserName, key.id);
  terminal.mark(
    'done',
    removed.length > 0 ? `${removed.join(', ')} was deleted.` : 'There was no older key.',
  );
}

const PATIENCE_MS = 60_000;

/** `GET /health` answers 200 when all settings and secrets are there, with the version of the upload. */
async function requireHealth(deployment: Deployment, version: string): Promise<void> {
  const address = healthAddress(deployment);
  const until = deployment.now() + PATIENCE_MS;
  for (;;) {
    const said = await fetch(address).then(
      async (reply) => `${reply.status} ${(await reply.text()).slice(0, 200)}`,
      (error: unknown) => String(error),
    );
    if (said.startsWith('200 ') && said.includes(`"${version}"`)) return;
    if (deployment.now() > until) {
      throw new OperatorError(
        `The Worker does not answer at ${address} with its new key: ${said}. The old key still works and was kept.`,
        'make doctor says what is wrong with the Worker; then run the rotation again.',
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
}
