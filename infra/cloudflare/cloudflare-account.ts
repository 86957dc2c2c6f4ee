import { BasePermissionGroups as AccountPermissionGroups } from 'cloudflare/resources/accounts/tokens/permission-groups';
import { BaseTokens as AccountTokens } from 'cloudflare/resources/accounts/tokens/tokens';
import { BaseRecords } from 'cloudflare/resources/dns/records';
import { BasePermissionGroups as UserPermissionGroups } from 'cloudflare/resources/user/tokens/permission-groups';
import { BaseTokens as UserTokens } from 'cloudflare/resources/user/tokens/tokens';
import { BaseDomains } from 'cloudflare/resources/workers/domains';
import { BaseRoutes } from 'cloudflare/resources/workers/routes';
import { BaseScripts } from 'cloudflare/resources/workers/scripts/scripts';
import { BaseSubdomains } from 'cloudflare/resources/workers/subdomains';
import { BaseApplications } from 'cloudflare/resources/zero-trust/access/applications/applications';
import { BasePolicies } from 'cloudflare/resources/zero-trust/access/policies';
import { BaseServiceTokens } from 'cloudflare/resources/zero-trust/access/service-tokens';
import { BaseIdentityProviders } from 'cloudflare/resources/zero-trust/identity-providers/identity-providers';
import { BaseOrganizations } from 'cloudflare/resources/zero-trust/organizations/organizations';
import { BaseCloudflared } from 'cloudflare/resources/zero-trust/tunnels/cloudflared/cloudflared';
import { BaseZones } from 'cloudflare/resources/zones/zones';
import { createClient } from 'cloudflare/tree-shakable';
import type { Deployment } from '../deploy/deployment.ts';

export type CloudflareClient = ReturnType<typeof cloudflareClient>;

/** Access with a token to one account and the zone of the previews. */
export interface CloudflareAccount {
  client: CloudflareClient;
  accountId: string;
  zoneId: string;
}

/** The client of the operator's commands; the functions have a client of their own. */
export function cloudflareClient(baseURL: string, apiToken: string) {
  return createClient({
    baseURL,
    apiToken,
    maxRetries: 2,
    timeout: 30_000,
    resources: [
      AccountPermissionGroups,
      AccountTokens,
      BaseApplications,
      BaseCloudflared,
      BaseDomains,
      BaseIdentityProviders,
      BaseOrganizations,
      BasePolicies,
      BaseRecords,
      BaseRoutes,
      BaseScripts,
      BaseServiceTokens,
      BaseSubdomains,
      UserPermissionGroups,
      UserTokens,
      BaseZones,
    ],
  });
}

export async function cloudflareAccount({ cloudflare }: Deployment): Promise<CloudflareAccount> {
  const client = cloudflareClient(cloudflare.apiUrl, await cloudflare.token());
  return { client, accountId: cloudflare.accountId, zoneId: cloudflare.zoneId };
}
