import type { CloudflareClient } from './cloudflare-account.ts';
import { isRefusal } from './permissions.ts';

export type TokenOwner = { kind: 'user' } | { kind: 'account'; accountId: string };

export interface VerifiedToken {
  id: string;
  owner: TokenOwner;
  status: 'active' | 'disabled' | 'expired';
  /** ISO time; undefined: never. */
  expiresOn: string | undefined;
}

/**
 * Asks Cloudflare whether it knows the token. A user's token is known at one address, an account's at another,
 * and each answers 401 for the other kind.
 *
 * @param accountId where known; otherwise the accounts that the token sees are tried
 * @returns undefined: unknown everywhere
 */
export async function verifyToken(
  client: CloudflareClient,
  accountId?: string,
): Promise<VerifiedToken | undefined> {
  const ofUser = await unlessRefused(() => client.user.tokens.verify());
  if (ofUser) {
    return { id: ofUser.id, owner: { kind: 'user' }, status: ofUser.status, expiresOn: ofUser.expires_on };
  }
  for (const id of accountId ? [accountId] : await accountIds(client)) {
    const found = await unlessRefused(() => client.accounts.tokens.verify({ account_id: id }));
    if (!found) continue;
    const owner = { kind: 'account', accountId: id } as const;
    return { id: found.id, owner, status: found.status, expiresOn: found.expires_on };
  }
  return undefined;
}

async function accountIds(client: CloudflareClient): Promise<string[]> {
  const ids: string[] = [];
  await unlessRefused(async () => {
    for await (const { id } of client.accounts.list({ per_page: 50 })) ids.push(id);
  });
  return ids;
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
