import { runtimeTokenName } from './access-names.ts';
import type { CloudflareAccount } from './cloudflare-account.ts';
import {
  type CloudflarePermission,
  isRefusal,
  needing,
  permissions,
  runtimePermissions,
} from './permissions.ts';
import type { TokenOwner } from './verify-token.ts';

/** Whose tokens the deploy token can make: those of the account, or of the person who made it. */
interface Minting {
  account: CloudflareAccount;
  owner: TokenOwner;
  deploymentId: string;
  /** The account and region that the deployment is run from. */
  home: string;
}

/**
 * Mints the token that the functions run with: tunnels of the account; records and name of the one zone.
 * Every call makes another token of the same name, so that the one before keeps working until it is deleted.
 *
 * @throws OperatorError where the deploy token may not make tokens
 */
export function mintRuntimeToken({
  account,
  owner,
  deploymentId,
  home,
}: Minting): Promise<{ id: string; value: string }> {
  return needing(permissions.mint, async () => {
    const { client, accountId, zoneId } = account;
    const groups = await permissionGroups(account, owner);
    const make = async (names: (permission: CloudflarePermission) => readonly string[]) => {
      const policy = (scope: 'account' | 'zone', resource: string) => ({
        effect: 'allow' as const,
        permission_groups: runtimePermissions
          .filter((permission) => permission.scope === scope)
          .flatMap(names)
          .map((name) => ({ id: groups.get(name) ?? missingGroup(name) })),
        resources: { [resource]: '*' },
      });
      const body = {
        name: runtimeTokenName(deploymentId, home),
        policies: [
          policy('account', `com.cloudflare.api.account.${accountId}`),
          policy('zone', `com.cloudflare.api.account.zone.${zoneId}`),
        ],
      };
      const { id, value } =
        owner.kind === 'user'
          ? await client.user.tokens.create(body)
          : await client.accounts.tokens.create({ account_id: accountId, ...body });
      if (!id || !value) throw new Error('Cloudflare made a token and did not tell it.');
      return { id, value };
    };
    try {
      return await make(({ group, newerGroups }) =>
        groups.has(group) || newerGroups.length === 0 ? [group] : newerGroups,
      );
    } catch (error) {
      // A token cannot give rights that it does not have, and a deploy token may have the narrower groups.
      if (!isRefusal(error)) throw error;
      return await make(({ group, newerGroups }) => (newerGroups.length > 0 ? newerGroups : [group]));
    }
  });
}

/** Undefined if the deploy token may not list tokens; then it has made none. */
export async function listRuntimeTokens({
  account,
  owner,
  deploymentId,
  home,
}: Minting): Promise<string[] | undefined> {
  const { client, accountId } = account;
  const wanted = runtimeTokenName(deploymentId, home);
  const ids: string[] = [];
  try {
    const tokens =
      owner.kind === 'user'
        ? client.user.tokens.list({ per_page: 50 })
        : client.accounts.tokens.list({ account_id: accountId, per_page: 50 });
    for await (const { id, name } of tokens) if (id && name === wanted) ids.push(id);
    return ids;
  } catch (error) {
    if (isRefusal(error)) return undefined;
    throw error;
  }
}

export function deleteToken({ account, owner }: Minting, id: string): Promise<unknown> {
  const { client, accountId } = account;
  return needing(permissions.mint, async () =>
    owner.kind === 'user'
      ? client.user.tokens.delete(id)
      : client.accounts.tokens.delete(id, { account_id: accountId }),
  );
}

/** Ids by name. An id is never written down, since Cloudflare does not promise that it stays the same. */
async function permissionGroups(
  { client, accountId }: CloudflareAccount,
  owner: TokenOwner,
): Promise<Map<string, string>> {
  const groups = new Map<string, string>();
  const list =
    owner.kind === 'user'
      ? client.user.tokens.permissionGroups.list()
      : client.accounts.tokens.permissionGroups.list({ account_id: accountId });
  for await (const { id, name } of list) if (id && name) groups.set(name, id);
  return groups;
}

function missingGroup(name: string): never {
  throw new Error(`Cloudflare knows no permission group "${name}" any more.`);
}
