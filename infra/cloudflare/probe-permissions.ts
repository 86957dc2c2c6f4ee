import type { CloudflareAccount } from './cloudflare-account.ts';
import { type CloudflarePermission, isRefusal, permissions } from './permissions.ts';

/**
 * Which of these permissions the token lacks, as far as reading shows: each is tried with a call that reads. Reading
 * does not prove writing: a token with "Read" in place of "Edit" passes here, and the first change is refused.
 */
export async function probePermissions(
  account: CloudflareAccount,
  wanted: readonly CloudflarePermission[],
): Promise<CloudflarePermission[]> {
  const missing: CloudflarePermission[] = [];
  for (const permission of wanted) if (!(await mayRead(account, permission))) missing.push(permission);
  return missing;
}

async function mayRead(account: CloudflareAccount, permission: CloudflarePermission): Promise<boolean> {
  try {
    await readWith(account, permission);
    return true;
  } catch (error) {
    // Nobody has chosen a team name yet; another check reports that (`read-organization.ts`).
    if (error instanceof Error && /not_enabled/.test(error.message)) return true;
    if (isRefusal(error)) return false;
    throw error;
  }
}

async function readWith(account: CloudflareAccount, permission: CloudflarePermission): Promise<void> {
  const { client, accountId: account_id, zoneId: zone_id } = account;
  const { access, identityProviders, tunnels } = client.zeroTrust;
  switch (permission) {
    case permissions.workersScripts:
      await client.workers.scripts.list({ account_id });
      return;
    case permissions.accessApps:
      await access.applications.list({ account_id });
      await access.policies.list({ account_id });
      return;
    case permissions.accessServiceTokens:
      await access.serviceTokens.list({ account_id });
      return;
    case permissions.accessOrganization:
      await identityProviders.list({ account_id });
      return;
    case permissions.tunnels:
      await tunnels.cloudflared.list({ account_id, per_page: 1 });
      return;
    case permissions.workersRoutes:
      await client.workers.routes.list({ zone_id });
      return;
    case permissions.dns:
      await client.dns.records.list({ zone_id, per_page: 1 });
      return;
    case permissions.zone:
      await client.zones.get({ zone_id });
      return;
    case permissions.mint:
      await client.accounts.tokens.permissionGroups.list({ account_id });
      return;
    default:
      throw new Error(`Nothing reads with ${permission.label}.`);
  }
}
