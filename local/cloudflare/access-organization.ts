/**
 * The Zero Trust organization, its identity providers and its service tokens.
 *
 * Gotchas
 * - Until a person has chosen a team name and a plan in the dashboard, every Access call is refused with
 *   `access.api.error.not_enabled`; `createCloudflare({ zeroTrust: false })` starts in that state.
 * - Service token checks are strict, as in every organization made since 2026-10-05.
 * - The secret of a service token is in the reply of create and rotate only.
 */
import { createHash } from 'node:crypto';
import { CloudflareError } from './cloudflare-error.ts';
import { createCollection, type PageQuery, pageOf } from './collection.ts';

/** developers.cloudflare.com/cloudflare-one/account-limits */
const MAX_SERVICE_TOKENS = 50;
const DEFAULT_DURATION = '8760h';

export interface Organization {
  name: string;
  auth_domain: string;
  session_duration: string;
  strict_service_token_auth: true;
}

export interface IdentityProvider {
  id: string;
  name: string;
  type: 'onetimepin' | 'github';
  config: Record<string, unknown>;
}

export interface ServiceToken {
  id: string;
  name: string;
  clientId: string;
  secret: string;
  duration: string;
  /** Epoch ms; undefined for a token that lasts forever. */
  expiresAt?: number;
}

interface OrganizationOptions {
  now: () => number;
  newId: () => string;
  organization?: Organization;
}

export type AccessOrganization = ReturnType<typeof createAccessOrganization>;

export function createAccessOrganization({ now, newId, organization }: OrganizationOptions) {
  const providers = createCollection<IdentityProvider>(
    () => new CloudflareError(404, 12134, 'access.api.error.identity_provider_not_found'),
  );
  const tokens = createCollection<ServiceToken>(
    () => new CloudflareError(404, 12134, 'access.api.error.service_token_not_found'),
  );
  const requireOrganization = (): Organization => {
    if (!organization)
      throw new CloudflareError(404, 9999, 'access.api.error.not_enabled: choose a team name first');
    return organization;
  };
  const newSecret = (): string => `cfast_${createHash('sha256').update(newId()).digest('hex').slice(0, 48)}`;
  const expiry = (duration: string): number | undefined =>
    duration === 'forever' ? undefined : now() + durationMs(duration);

  return {
    getOrganization: requireOrganization,

    createIdentityProvider(body: Omit<IdentityProvider, 'id'>) {
      requireOrganization();
      if (body.type !== 'onetimepin' && body.type !== 'github') {
        throw new CloudflareError(
          400,
          12130,
          `The stand-in knows onetimepin and github, not ${String(body.type)}`,
        );
      }
      if (body.type === 'onetimepin' && providers.all().some((provider) => provider.type === 'onetimepin')) {
        throw new CloudflareError(409, 12130, 'access.api.error.identity_provider_already_exists');
      }
      return withoutSecret(
        providers.add({ id: newId(), name: body.name, type: body.type, config: body.config }),
      );
    },
    listIdentityProviders(query: PageQuery) {
      requireOrganization();
      return pageOf(providers.all().map(withoutSecret), query, 25, 1_000);
    },
    identityProviderExists: (id: string): boolean => providers.find(id) !== undefined,
    /** How people log in to an application: the first provider it allows. */
    loginMethod(allowed: readonly string[] | undefined): IdentityProvider | undefined {
      return providers.all().find(({ id }) => !allowed || allowed.length === 0 || allowed.includes(id));
    },

    createServiceToken(body: { name: string; duration?: string }) {
      requireOrganization();
      if (tokens.all().length >= MAX_SERVICE_TOKENS) {
        throw new CloudflareError(
          400,
          12130,
          `The account has reached its limit of ${MAX_SERVICE_TOKENS} service tokens`,
        );
      }
      const duration = body.duration ?? DEFAULT_DURATION;
      const expiresAt = expiry(duration);
      const token = tokens.add({
        id: newId(),
        name: body.name,
        clientId: `${newId().replaceAll('-', '')}.access`,
        secret: newSecret(),
        duration,
        ...(expiresAt === undefined ? {} : { expiresAt }),
      });
      return { ...describeToken(token), client_secret: token.secret };
    },
    listServiceTokens(query: PageQuery & { name?: string; search?: string }) {
      const found = tokens
        .all()
        .filter((token) => query.name === undefined || token.name === query.name)
        .filter((token) => query.search === undefined || token.name.includes(query.search));
      return pageOf(found.map(describeToken), query, 25, 1_000);
    },
    deleteServiceToken: (id: string) => describeToken(tokens.remove(id)),
    rotateServiceToken(id: string) {
      const token = tokens.add({ ...tokens.get(id), secret: newSecret() });
      return { ...describeToken(token), client_secret: token.secret };
    },
    serviceTokenNamed(name: string) {
      const found = tokens.all().find((token) => token.name === name);
      if (!found) throw new Error(`Access has no service token "${name}" yet.`);
      return { id: found.id, clientId: found.clientId, clientSecret: found.secret };
    },
    /** The service token that these headers prove, if it has not expired. */
    verifyServiceToken(clientId: string, secret: string): ServiceToken | undefined {
      return tokens
        .all()
        .filter((token) => (token.expiresAt ?? Number.POSITIVE_INFINITY) > now())
        .find((token) => token.clientId === clientId && token.secret === secret);
    },
  };
}

function describeToken(token: ServiceToken) {
  return {
    id: token.id,
    name: token.name,
    client_id: token.clientId,
    duration: token.duration,
    enabled: true,
    ...(token.expiresAt === undefined ? {} : { expires_at: new Date(token.expiresAt).toISOString() }),
  };
}

function withoutSecret(provider: IdentityProvider): IdentityProvider {
  const { client_secret: _, ...config } = provider.config;
  return { ...provider, config };
}

/** Access' durations, in Go's notation: `30m`, `24h`, `1h30m`. Returns milliseconds. */
export function durationMs(text: string): number {
  const units = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
  if (!/^(\d+(ms|s|m|h))+$/.test(text)) {
    throw new CloudflareError(
      400,
      12130,
      `access.api.error.invalid_request: ${text} is not a duration like 24h`,
    );
  }
  let total = 0;
  for (const [, count, unit] of text.matchAll(/(\d+)(ms|s|m|h)/g)) {
    total += Number(count) * units[unit as keyof typeof units];
  }
  return total;
}
