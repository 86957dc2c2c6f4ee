import { accessNames } from './access-names.ts';
import { accessRules, needsGithub } from './access-rules.ts';
import type { Changes } from './changes.ts';
import type { CloudflareAccount } from './cloudflare-account.ts';
import { ensureApplication } from './ensure-application.ts';
import { ensureIdentityProviders } from './ensure-identity-providers.ts';
import { ensurePolicy } from './ensure-policy.ts';
import { ensureServiceToken, type ServiceTokenStore } from './ensure-service-token.ts';

export interface WantedAccess {
  deploymentId: string;
  /** `-pr.<zone>` */
  previewSuffix: string;
  dashboardHost: string;
  /** ACCESS_ALLOW. */
  allow: readonly string[];
  /** ACCESS_SESSION. It is short, because Access checks who a person is only when a sign-in begins. */
  sessionDuration: string;
  serviceToken: ServiceTokenStore;
}

/**
 * Everything in front of the previews: ONE application for all of them, so that no preview is ever open
 * between its DNS record and an application of its own, and one for the dashboard, whose tokens are of no use
 * to the code of a pull request. Programs get to the previews only.
 *
 * @returns the audience of the previews' application; undefined: a plan, and it is not there yet
 */
export async function ensureAccess(
  account: CloudflareAccount,
  wanted: WantedAccess,
  changes: Changes,
): Promise<string | undefined> {
  const names = accessNames(wanted.deploymentId);
  const methods = await ensureIdentityProviders(account, { github: needsGithub(wanted.allow) }, changes);
  const tokenId = await ensureServiceToken(account, names.serviceToken, wanted.serviceToken, changes);
  const people = await ensurePolicy(
    account,
    { name: names.people, decision: 'allow', include: accessRules(wanted.allow, methods.github ?? '') },
    changes,
  );
  const programs = await ensurePolicy(
    account,
    {
      name: names.programs,
      decision: 'non_identity',
      // The id is undefined only in a plan, where nothing is sent.
      include: [{ service_token: { token_id: tokenId ?? '' } }],
    },
    changes,
  );
  const { sessionDuration } = wanted;
  const dashboard = { name: names.dashboard, domain: wanted.dashboardHost, sessionDuration };
  const previews = { name: names.previews, domain: `*${wanted.previewSuffix}`, sessionDuration };
  const offered = needsGithub(wanted.allow) ? methods : { ...methods, github: undefined };
  const audience = await ensureApplication(
    account,
    { ...previews, policies: [programs, people] },
    offered,
    changes,
  );
  await ensureApplication(account, { ...dashboard, policies: [people] }, offered, changes);
  return audience;
}
