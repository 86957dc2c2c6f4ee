import type { CloudflareClient } from './cloudflare-account.ts';
import { isRefusal } from './permissions.ts';

export type TokenOwner = { kind: 'user' } | { kind: 'account'; accountId: string };

export interface VerifiedToken {
  id: string;
  owner: TokenOwner;
  status: 'active' | 'disabled' | 'expired';
  /** ISO time; undefined if it never expires. */
  expiresOn: string | undefined;
}

/**
 * Asks Cloudflare whether it knows the token. The addresses for a user's token and for an account's token differ, and
 * each answers 401 for the other kind.
 *
 * @param accountId where known; otherwise the account of the zones that the token sees
 * @returns undefined: unknown at both, or no account id is known and the token sees no zone
 */
export async function verifyToken(
  client: CloudflareClient,
  accountId?: string,
): Promise<VerifiedToken | undefined> {
  const ofUser = await unlessRefused(() => client.user.tokens.verify());
  if (ofUser) {
    return { id: ofUser.id, owner: { kind: 'user' }, status: ofUser.status, expiresOn: ofUser.expires_on };
  }
  const owner = accountId ?? (await accountOfZones(client));
  if (owner === undefined) return undefined;
  const found = await unlessRefused(() => client.accounts.tokens.verify({ account_id: owner }));
  if (!found) return undefined;
  return {
    id: found.id,
    owner: { kind: 'account', accountId: owner },
    status: found.status,
    expiresOn: found.expires_on,
  };
}

/**
 * The account of a token that belongs to an account and so sees only that account's zones. `GET /accounts` cannot
 * tell: it answers such tokens with 400, "List accounts endpoint does not support account owned tokens".
 * https://github.com/edgefirst-dev/starter/issues/3
 */
async function accountOfZones(client: CloudflareClient): Promise<string | undefined> {
  const zones = await unlessRefused(() => client.zones.list({ per_page: 5 }));
  return zones?.result[0]?.account.id;
}

async function unlessRefused<T>(call: () => Promise<T>): Promise<T | undefined> {
  try {
    return await call();
  } catch (error) {
    // 400: the value cannot be a token at all ("Invalid request headers").
    if (isRefusal(error) || (error instanceof Error && 'status' in error && error.status === 400))
      return undefined;
    throw error;
  }
}
