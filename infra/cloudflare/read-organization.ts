import type { CloudflareAccount } from './cloudflare-account.ts';
import { isMissing, needing, permissions } from './permissions.ts';

export interface AccessOrganization {
  /** ACCESS_TEAM: `acme` of acme.cloudflareaccess.com. */
  team: string;
  authDomain: string;
}

/** Undefined if nobody has switched on Zero Trust. Only a person can do that, because a plan must be chosen. */
export function readOrganization({
  client,
  accountId,
}: Pick<CloudflareAccount, 'client' | 'accountId'>): Promise<AccessOrganization | undefined> {
  return needing(permissions.accessOrganization, async () => {
    try {
      const { auth_domain } = await client.zeroTrust.organizations.list({ account_id: accountId });
      const [team] = auth_domain?.split('.') ?? [];
      return auth_domain && team ? { team, authDomain: auth_domain } : undefined;
    } catch (error) {
      if (isMissing(error) || (error instanceof Error && /not_enabled/.test(error.message))) return undefined;
      throw error;
    }
  });
}

export const howToSwitchOnZeroTrust =
  'In https://one.dash.cloudflare.com choose the account, choose a team name, then the plan "Free" (50 people; it may ask for a card). Then run make setup again.';
