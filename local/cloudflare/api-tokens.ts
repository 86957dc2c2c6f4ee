/**
 * API tokens and what each may do. Permission groups are looked up by name, never by a fixed id.
 *
 * Gotchas
 * - "Write" includes "Read", and each group has a scope: an account or a zone. A token's policy must cover
 *   the resource as well as the permission.
 * - A user token is verified at `/user/tokens/verify`, an account's at `/accounts/{id}/tokens/verify`; the
 *   other endpoint answers 401.
 * - `value` is in the reply of create only.
 * - A token cannot give rights that it does not have: to make a token with a permission, it needs that permission
 *   itself, on the same resources.
 * - A disabled or expired token is refused everywhere, except by the verification, which reports its state.
 */
import { createHash } from 'node:crypto';
import { CloudflareError } from './cloudflare-error.ts';
import { createCollection, type PageQuery, pageOf } from './collection.ts';

const ACCOUNT_SCOPE = 'com.cloudflare.api.account';
const ZONE_SCOPE = 'com.cloudflare.api.account.zone';
const USER_SCOPE = 'com.cloudflare.api.user';

const accountGroups = [
  'Workers Scripts',
  'Cloudflare Tunnel',
  'Cloudflare One Connector: cloudflared',
  'Access: Apps and Policies',
  'Access: Apps',
  'Access: Policies',
  'Access: Service Tokens',
  'Access: Organizations, Identity Providers, and Groups',
  'Account Settings',
  'Account API Tokens',
] as const;
const zoneGroups = ['Workers Routes', 'DNS', 'Zone'] as const;
const userGroups = ['API Tokens'] as const;
export type PermissionArea =
  | (typeof accountGroups)[number]
  | (typeof zoneGroups)[number]
  | (typeof userGroups)[number];
export type Permission = `${PermissionArea} ${'Read' | 'Write'}`;

export interface PermissionGroup {
  id: string;
  name: Permission;
  scopes: string[];
}

export interface TokenPolicy {
  effect: 'allow' | 'deny';
  permission_groups: { id: string }[];
  resources: Record<string, unknown>;
}

export interface TokenBody {
  name: string;
  policies: TokenPolicy[];
  expires_on?: string;
  not_before?: string;
}

interface ApiToken extends TokenBody {
  id: string;
  owner: 'user' | 'account';
  disabled: boolean;
  value: string;
  issuedAt: number;
}

interface TokensOptions {
  accountId: string;
  zoneId: string;
  now: () => number;
  newId: () => string;
}

export type ApiTokens = ReturnType<typeof createApiTokens>;

export function createApiTokens({ accountId, zoneId, now, newId }: TokensOptions) {
  const userId = newId().replaceAll('-', '');
  const groups: PermissionGroup[] = [...accountGroups, ...zoneGroups, ...userGroups].flatMap((area) =>
    (['Read', 'Write'] as const).map((right) => ({
      id: createHash('sha256').update(`${accountId} ${area} ${right}`).digest('hex').slice(0, 32),
      name: `${area} ${right}` as Permission,
      scopes: [scopeOf(area)],
    })),
  );
  const tokens = createCollection<ApiToken>(() => new CloudflareError(404, 1003, 'Token not found'));

  const statusOf = (token: ApiToken): 'active' | 'disabled' | 'expired' => {
    if (token.disabled) return 'disabled';
    return token.expires_on !== undefined && Date.parse(token.expires_on) <= now() ? 'expired' : 'active';
  };
  const describe = (token: ApiToken) => ({
    id: token.id,
    name: token.name,
    status: statusOf(token),
    issued_on: new Date(token.issuedAt).toISOString(),
    modified_on: new Date(token.issuedAt).toISOString(),
    ...(token.expires_on === undefined ? {} : { expires_on: token.expires_on }),
    ...(token.not_before === undefined ? {} : { not_before: token.not_before }),
    policies: token.policies.map((policy, index) => ({
      id: createHash('sha256').update(`${token.id} ${index}`).digest('hex').slice(0, 32),
      effect: policy.effect,
      permission_groups: policy.permission_groups.map(({ id }) => ({ id, name: nameOf(id) })),
      resources: policy.resources,
    })),
  });
  const nameOf = (id: string): string => groups.find((group) => group.id === id)?.name ?? '';
  const covers = (policy: TokenPolicy, permission: Permission): boolean => {
    const area = permission.replace(/ (Read|Write)$/, '');
    const accepted = permission.endsWith('Read') ? [permission, `${area} Write`] : [permission];
    if (!policy.permission_groups.some(({ id }) => accepted.includes(nameOf(id)))) return false;
    const scope = scopeOf(area);
    return [theOne(scope), `${scope}.*`].some((resource) => resource in policy.resources);
  };
  const theOne = (scope: string): string =>
    `${scope}.${scope === ZONE_SCOPE ? zoneId : scope === USER_SCOPE ? userId : accountId}`;
  const holds = (value: string, permission: Permission): boolean => {
    const policies = tokens.all().find((candidate) => candidate.value === value)?.policies ?? [];
    const has = (effect: TokenPolicy['effect']): boolean =>
      policies.some((policy) => policy.effect === effect && covers(policy, permission));
    return has('allow') && !has('deny');
  };
  const requireOwn = (minter: string, { policies }: TokenBody): void => {
    for (const { effect, permission_groups, resources } of policies) {
      if (effect !== 'allow') continue;
      const strange = Object.keys(resources).find(
        (resource) => ![ACCOUNT_SCOPE, ZONE_SCOPE, USER_SCOPE].some((scope) => theOne(scope) === resource),
      );
      const beyond = permission_groups.map(({ id }) => nameOf(id)).find((name) => !isHeld(minter, name));
      if (strange === undefined && beyond === undefined) continue;
      throw new CloudflareError(
        403,
        9109,
        `Unauthorized: the token does not have ${strange ?? beyond} itself`,
      );
    }
  };
  const isHeld = (minter: string, name: string): boolean => isPermission(name) && holds(minter, name);
  const isPermission = (name: string): name is Permission => groups.some((group) => group.name === name);

  const requireOwner = (owner: ApiToken['owner'], id: string): ApiToken => {
    const token = tokens.get(id);
    if (token.owner === owner) return token;
    throw new CloudflareError(404, 1003, 'Token not found');
  };

  const createToken = (owner: ApiToken['owner'], body: TokenBody) => {
    const known = new Set(groups.map((group) => group.id));
    const strange = body.policies
      .flatMap((policy) => policy.permission_groups)
      .find(({ id }) => !known.has(id));
    if (strange) throw new CloudflareError(400, 1001, `Permission group ${strange.id} does not exist`);
    if (body.policies.some(({ permission_groups }) => permission_groups.length === 0)) {
      throw new CloudflareError(400, 1001, 'A policy needs at least one permission group');
    }
    const token = tokens.add({
      ...body,
      id: newId().replaceAll('-', ''),
      owner,
      disabled: false,
      value: `cf${owner === 'user' ? 'u' : 'a'}t_${createHash('sha256').update(newId()).digest('hex').slice(0, 48)}`,
      issuedAt: now(),
    });
    return { ...describe(token), value: token.value };
  };

  return {
    /** A token makes another; `minter` is its value. */
    createToken(owner: ApiToken['owner'], body: TokenBody, minter: string) {
      requireOwn(minter, body);
      return createToken(owner, body);
    },
    /** Makes a token as the dashboard's form does: with these permissions on the one account and zone. */
    issueToken(
      name: string,
      permissions: readonly Permission[],
      options: { owner?: ApiToken['owner']; expires_on?: string } = {},
    ): string {
      const policies = [ACCOUNT_SCOPE, ZONE_SCOPE, USER_SCOPE].map(
        (scope): TokenPolicy => ({
          effect: 'allow',
          permission_groups: groups
            .filter((group) => permissions.includes(group.name) && group.scopes.includes(scope))
            .map(({ id }) => ({ id })),
          resources: { [theOne(scope)]: '*' },
        }),
      );
      const { owner = 'account', ...rest } = options;
      const body = {
        name,
        policies: policies.filter((policy) => policy.permission_groups.length > 0),
        ...rest,
      };
      return createToken(owner, body).value;
    },
    /** Disables a token as a person does in the dashboard. */
    disableToken(value: string): void {
      for (const token of tokens.all()) if (token.value === value) tokens.add({ ...token, disabled: true });
    },
    listTokens: (owner: ApiToken['owner'], query: PageQuery) =>
      pageOf(
        tokens
          .all()
          .filter((token) => token.owner === owner)
          .map(describe),
        query,
        20,
        50,
      ),
    deleteToken: (owner: ApiToken['owner'], id: string) => ({
      id: tokens.remove(requireOwner(owner, id).id).id,
    }),
    verifyToken(owner: ApiToken['owner'], value: string) {
      const token = tokens.all().find((candidate) => candidate.value === value && candidate.owner === owner);
      if (!token) throw new CloudflareError(401, 1000, 'Invalid API Token');
      return {
        id: token.id,
        status: statusOf(token),
        ...(token.expires_on ? { expires_on: token.expires_on } : {}),
      };
    },
    /** Tokens of an account can have no permission of a user. */
    listPermissionGroups: (
      owner: ApiToken['owner'],
      query: { name?: string; scope?: string },
    ): PermissionGroup[] =>
      groups
        .filter((group) => owner === 'user' || !group.scopes.includes(USER_SCOPE))
        .filter((group) => query.name === undefined || group.name.includes(query.name))
        .filter((group) => query.scope === undefined || group.scopes.includes(query.scope)),

    /** Finds the caller. Throws Cloudflare's refusal of an unknown, disabled or expired token. */
    authenticate(authorization: string | undefined, toVerify: boolean): string {
      if (authorization === undefined) {
        throw new CloudflareError(400, 9106, 'Missing X-Auth-Key, X-Auth-Email or Authorization headers');
      }
      const value = /^Bearer (\S+)$/.exec(authorization)?.[1];
      if (value === undefined) throw new CloudflareError(400, 6003, 'Invalid request headers');
      const token = tokens.all().find((candidate) => candidate.value === value);
      if (!token || (statusOf(token) !== 'active' && !toVerify))
        throw new CloudflareError(403, 9109, 'Invalid access token');
      return value;
    },
    /** Throws 403 unless the token has one of the permissions on the account or zone they are for. */
    authorize(value: string, anyOf: readonly Permission[]): void {
      if (anyOf.length === 0) return;
      if (anyOf.some((permission) => holds(value, permission))) return;
      throw new CloudflareError(403, 10000, 'Authentication error');
    },
  };
}

function scopeOf(area: string): string {
  if (userGroups.some((name) => name === area)) return USER_SCOPE;
  return zoneGroups.some((name) => name === area) ? ZONE_SCOPE : ACCOUNT_SCOPE;
}
