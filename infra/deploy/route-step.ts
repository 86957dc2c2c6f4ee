import { workerName } from '../cloudflare/access-names.ts';
import { cloudflareAccount } from '../cloudflare/cloudflare-account.ts';
import { ensureRoute } from '../cloudflare/ensure-route.ts';
import { changesStep } from './changes-step.ts';
import type { DeployStep } from './deploy-step.ts';
import type { Deployment } from './deployment.ts';

/** This step runs after the Worker's: a route can only name a script that exists. */
export function routeStep(deployment: Deployment): DeployStep {
  const { DEPLOYMENT_ID, PREVIEW_SUFFIX } = deployment.settings;
  const wanted = { pattern: `*${PREVIEW_SUFFIX}/*`, script: workerName(DEPLOYMENT_ID) };
  return changesStep({
    title: `Route ${wanted.pattern}: the waiting page of previews that do not answer`,
    ensure: async (changes) => ensureRoute(await cloudflareAccount(deployment), wanted, changes),
  });
}
