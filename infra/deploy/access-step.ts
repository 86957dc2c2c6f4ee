import type { Changes } from '../cloudflare/changes.ts';
import { cloudflareAccount } from '../cloudflare/cloudflare-account.ts';
import { ensureAccess } from '../cloudflare/ensure-access.ts';
import { changesStep } from './changes-step.ts';
import type { DeployStep } from './deploy-step.ts';
import type { Deployment } from './deployment.ts';

/** This step is the first, so that a preview is never open to everybody. */
export function accessStep(deployment: Deployment): DeployStep {
  const { settings, parameters, names, found } = deployment;
  const ensure = async (changes: Changes) => {
    const audience = await ensureAccess(
      await cloudflareAccount(deployment),
      {
        deploymentId: settings.DEPLOYMENT_ID,
        previewSuffix: settings.PREVIEW_SUFFIX,
        dashboardHost: settings.DASHBOARD_HOST,
        allow: settings.ACCESS_ALLOW,
        sessionDuration: settings.ACCESS_SESSION,
        serviceToken: {
          read: () => parameters.read(names.serviceToken),
          write: (json) => parameters.writeSecret(names.serviceToken, json),
        },
      },
      changes,
    );
    if (audience) found.accessAudience = audience;
  };
  return changesStep({
    title: `Access: sign-in in front of *${settings.PREVIEW_SUFFIX} and ${settings.DASHBOARD_HOST}`,
    ensure,
    async afterwards() {
      if (found.accessAudience) return '';
      throw new Error('Cloudflare did not tell the audience of the Access application.');
    },
  });
}
