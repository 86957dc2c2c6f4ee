/**
 * Access rules and reusable policies: include is OR, require is AND, exclude is NOT; at least one include.
 *
 * Gotchas
 * - Rules about a person are checked when the person logs in, not on every request.
 * - A service token is only checked against a `non_identity` policy ("Service Auth"); an `allow` policy ignores it,
 *   and the visitor gets the login page.
 * - An unknown rule is refused: if it were ignored, it would let in the people whom it should exclude.
 */
import { BlockList, isIPv6 } from 'node:net';
import { CloudflareError } from './cloudflare-error.ts';
import { createCollection, type PageQuery, pageOf } from './collection.ts';

/** developers.cloudflare.com/cloudflare-one/account-limits */
const MAX_POLICIES = 500;

export type Decision = 'allow' | 'deny' | 'non_identity' | 'bypass';
/** One selector, such as `{ email: { email: 'a@b.c' } }`. */
export type AccessRule = Record<string, Record<string, unknown>>;

export interface PolicyBody {
  name: string;
  decision: Decision;
  include: AccessRule[];
  require?: AccessRule[];
  exclude?: AccessRule[];
  session_duration?: string;
}

export interface AccessPolicy extends PolicyBody {
  id: string;
  require: AccessRule[];
  exclude: AccessRule[];
  reusable: true;
  created_at: string;
  updated_at: string;
}

/** The visitor: a person who has logged in, a program with a service token, or unknown. */
export interface Subject {
  ip: string;
  identity?: { email: string; organizations: string[]; loginMethod: string };
  serviceTokenId?: string;
}

interface PoliciesOptions {
  now: () => number;
  newId: () => string;
  /** Names of the applications that use a policy. */
  usersOf: (policyId: string) => string[];
}

export type AccessPolicies = ReturnType<typeof createAccessPolicies>;

export function createAccessPolicies({ now, newId, usersOf }: PoliciesOptions) {
  const policies = createCollection<AccessPolicy>(
    () => new CloudflareError(404, 12134, 'access.api.error.policy_not_found'),
  );
  const time = (): string => new Date(now()).toISOString();
  const describe = (policy: AccessPolicy) => ({ ...policy, app_count: usersOf(policy.id).length });
  const read = (body: PolicyBody, id: string, createdAt: string): AccessPolicy => {
    requireRules(body);
    return {
      id,
      name: body.name,
      decision: body.decision,
      include: body.include,
      require: body.require ?? [],
      exclude: body.exclude ?? [],
      reusable: true,
      created_at: createdAt,
      updated_at: time(),
      ...(body.session_duration === undefined ? {} : { session_duration: body.session_duration }),
    };
  };

  return {
    createPolicy(body: PolicyBody) {
      if (policies.all().length >= MAX_POLICIES) {
        throw new CloudflareError(
          400,
          12130,
          `The account has reached its limit of ${MAX_POLICIES} policies`,
        );
      }
      return describe(policies.add(read(body, newId(), time())));
    },
    listPolicies: (query: PageQuery) => pageOf(policies.all().map(describe), query, 25, 1_000),
    updatePolicy: (id: string, body: PolicyBody) =>
      describe(policies.add(read(body, id, policies.get(id).created_at))),
    deletePolicy(id: string) {
      const users = usersOf(policies.get(id).id);
      if (users.length > 0) {
        throw new CloudflareError(400, 12130, `access.api.error.policy_in_use: ${users.join(', ')}`);
      }
      return { id: policies.remove(id).id };
    },
    findPolicy: (id: string): AccessPolicy | undefined => policies.find(id),
  };
}

function policyMatches(policy: AccessPolicy, subject: Subject): boolean {
  const fits = (rule: AccessRule): boolean => ruleMatches(rule, subject);
  return policy.include.some(fits) && policy.require.every(fits) && !policy.exclude.some(fits);
}

/** The first matching policy, in order, decides whether a person is let in; without one the person is not. */
export function admits(policies: readonly AccessPolicy[], decision: Decision, subject: Subject): boolean {
  const relevant = policies.filter((policy) => policy.decision === decision || policy.decision === 'deny');
  return relevant.find((policy) => policyMatches(policy, subject))?.decision === decision;
}

type Selector = (rule: Record<string, unknown>, subject: Subject) => boolean;

const selectors: Record<string, Selector> = {
  everyone: () => true,
  email: (rule, { identity }) => same(rule['email'], identity?.email),
  email_domain: (rule, { identity }) => same(rule['domain'], identity?.email.split('@').at(-1)),
  login_method: (rule, { identity }) => same(rule['id'], identity?.loginMethod),
  'github-organization': (rule, { identity }) =>
    identity?.organizations.some((organization) => same(organizationName(rule), organization)) ?? false,
  service_token: (rule, { serviceTokenId }) => same(rule['token_id'], serviceTokenId),
  any_valid_service_token: (_, { serviceTokenId }) => serviceTokenId !== undefined,
  ip: (rule, { ip }) => inRange(String(rule['ip']), ip),
};

function ruleMatches(rule: AccessRule, subject: Subject): boolean {
  return Object.entries(rule).every(([name, value]) => selectors[name]?.(value, subject) ?? false);
}

/** A membership is written `acme` or, with a team, `acme/web`; a rule is written in the same way. */
function organizationName(rule: Record<string, unknown>): string {
  return typeof rule['team'] === 'string' ? `${rule['name']}/${rule['team']}` : String(rule['name']);
}

function same(wanted: unknown, actual: string | undefined): boolean {
  return actual !== undefined && String(wanted).toLowerCase() === actual.toLowerCase();
}

function inRange(range: string, ip: string): boolean {
  const [net = '', bits] = range.split('/');
  const family = isIPv6(net) ? 'ipv6' : 'ipv4';
  const list = new BlockList();
  list.addSubnet(net, Number(bits ?? (family === 'ipv6' ? 128 : 32)), family);
  return list.check(ip, isIPv6(ip) ? 'ipv6' : 'ipv4');
}

function requireRules(body: PolicyBody): void {
  if (body.include.length === 0) {
    throw new CloudflareError(
      400,
      12130,
      'access.api.error.invalid_request: include needs at least one rule',
    );
  }
  for (const rule of [...body.include, ...(body.require ?? []), ...(body.exclude ?? [])]) {
    const unknown = Object.keys(rule).find((name) => !(name in selectors));
    if (unknown === undefined) continue;
    throw new CloudflareError(
      400,
      12130,
      `access.api.error.invalid_request: the stand-in knows no Access rule ${unknown}, only ${Object.keys(selectors).join(', ')}`,
    );
  }
}
