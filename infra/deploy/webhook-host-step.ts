import { setTimeout as sleep } from 'node:timers/promises';
import { workerName } from '../cloudflare/access-names.ts';
import { cloudflareAccount } from '../cloudflare/cloudflare-account.ts';
import { ensureWorkerHost } from '../cloudflare/ensure-worker-host.ts';
import { changesStep } from './changes-step.ts';
import type { DeployStep } from './deploy-step.ts';
import type { Deployment } from './deployment.ts';
import { healthAddress } from './health-address.ts';

/** The certificate of a new host name takes a minute or two. */
const PATIENCE_MS = 180_000;
const POLL_MS = 5_000;

/** This step runs before GitHub is configured to deliver there. */
export function webhookHostStep(deployment: Deployment): DeployStep {
  const { settings, now } = deployment;
  const wanted = { hostname: settings.WEBHOOK_HOST, script: workerName(settings.DEPLOYMENT_ID) };

  async function answers(progress: (detail: string) => void): Promise<boolean> {
    const address = healthAddress(deployment);
    const until = now() + PATIENCE_MS;
    for (;;) {
      const reply = await fetch(address, { signal: AbortSignal.timeout(10_000) }).catch(() => undefined);
      if (reply?.ok) return true;
      if (now() >= until) return false;
      progress(`waiting until ${address.host} has its certificate`);
      await sleep(POLL_MS);
    }
  }

  return changesStep({
    title: `Host name ${wanted.hostname}: where GitHub delivers`,
    ensure: async (changes) => ensureWorkerHost(await cloudflareAccount(deployment), wanted, changes),
    async afterwards({ sentences }, progress) {
      if (sentences.length === 0 || (await answers(progress))) return '';
      return ' It does not answer yet; make doctor says when it does.';
    },
  });
}
