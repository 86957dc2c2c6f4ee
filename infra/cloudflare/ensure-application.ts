import type {
  ApplicationCreateParams,
  ApplicationListResponse,
} from 'cloudflare/resources/zero-trust/access/applications/applications';
import { OperatorError } from '../terminal/operator-error.ts';
import type { Changes } from './changes.ts';
import type { CloudflareAccount } from './cloudflare-account.ts';
import { differs } from './differs.ts';
import type { SignInMethods } from './ensure-identity-providers.ts';
import { needing, permissions } from './permissions.ts';

export interface WantedApplication {
  name: string;
  /** `*-pr.<zone>`, or one host name. */
  domain: string;
  /** `8h` */
  sessionDuration: string;
  /** The ids of reusable policies, in their order; undefined in a plan for a policy that does not exist yet. */
  policies: readonly (string | undefined)[];
}

type SelfHosted = ApplicationListResponse.SelfHostedApplication;

/**
 * An Access application, found by its name. Its audience stays the same as long as it exists, so a changed domain is
 * written into it, and no new application is made. Settings that are not ours stay as somebody set them, and so do
 * further sign-in methods.
 *
 * @returns the audience; undefined: a plan, and it is not there yet
 * @throws OperatorError where an application of somebody else is for this domain
 */
export function ensureApplication(
  account: CloudflareAccount,
  wanted: WantedApplication,
  methods: SignInMethods,
  changes: Changes,
): Promise<string | undefined> {
  return needing(permissions.accessApps, async () => {
    const { applications } = account.client.zeroTrust.access;
    const account_id = account.accountId;
    const all = await listApplications(account);
    requireFreeDomain(all, wanted);
    const found = all.find(({ name }) => name === wanted.name);
    const body = bodyOf(wanted, found, methods);
    if (!found?.id) {
      return changes.make(
        `The Access application "${wanted.name}" is made for ${wanted.domain}.`,
        async () => {
          const made = await applications.create({ account_id, ...body });
          return 'aud' in made ? made.aud : undefined;
        },
      );
    }
    const { id } = found;
    const what = differingSettings(found, body, wanted);
    if (what.length > 0) {
      await changes.make(`The Access application "${wanted.name}" is changed: ${what.join(', ')}.`, () =>
        applications.update(id, { account_id, ...setByOthers(found), ...body }),
      );
    }
    return found.aud;
  });
}

export async function listApplications(account: CloudflareAccount): Promise<SelfHosted[]> {
  const found: SelfHosted[] = [];
  const { applications } = account.client.zeroTrust.access;
  for await (const application of applications.list({ account_id: account.accountId })) {
    if (isSelfHosted(application)) found.push(application);
  }
  return found;
}

function isSelfHosted(application: ApplicationListResponse): application is SelfHosted {
  return 'type' in application && application.type === 'self_hosted';
}

function requireFreeDomain(all: readonly SelfHosted[], { name, domain }: WantedApplication): void {
  const taken = all.find(
    (other) => other.name !== name && (other.domain === domain || hostsOf(other).includes(domain)),
  );
  if (!taken) return;
  throw new OperatorError(
    `The Access application "${taken.name}" is already for ${domain}, and it is not this deployment's.`,
    'Remove it in Cloudflare (Zero Trust, Access controls, Applications), or choose another PREVIEW_SUFFIX or DASHBOARD_HOST.',
  );
}

function hostsOf({ destinations = [], self_hosted_domains = [] }: SelfHosted): string[] {
  return [
    ...self_hosted_domains,
    ...destinations.flatMap((destination) => ('uri' in destination ? (destination.uri ?? []) : [])),
  ];
}

function bodyOf(wanted: WantedApplication, found: SelfHosted | undefined, methods: SignInMethods) {
  const { oneTimePin, github, all } = methods;
  const ours = [oneTimePin, github].filter((id) => id !== undefined);
  const added = (found?.allowed_idps ?? []).filter((id) => all.includes(id) && !ours.includes(id));
  const allowed_idps = [...ours, ...added];
  return {
    type: 'self_hosted',
    name: wanted.name,
    domain: wanted.domain,
    destinations: [{ type: 'public', uri: wanted.domain }],
    session_duration: wanted.sessionDuration,
    allowed_idps,
    // Cloudflare refuses this where there is more than one choice.
    auto_redirect_to_identity: allowed_idps.length === 1,
    app_launcher_visible: false,
    http_only_cookie_attribute: true,
    same_site_cookie_attribute: 'lax',
    // A preview's code sees the token; with this cookie, a token that leaks there is worth nothing on another host.
    enable_binding_cookie: true,
    policies: wanted.policies.flatMap((id, index) =>
      id === undefined ? [] : [{ id, precedence: index + 1 }],
    ),
  } satisfies Omit<ApplicationCreateParams.SelfHostedApplication, 'account_id'>;
}

const words: Record<string, string> = {
  domain: 'its domain',
  destinations: 'its domain',
  session_duration: 'how long a sign-in lasts',
  allowed_idps: 'the sign-in methods',
  auto_redirect_to_identity: 'the sign-in methods',
  policies: 'its policies',
};

function differingSettings(
  found: SelfHosted,
  body: ReturnType<typeof bodyOf>,
  wanted: WantedApplication,
): string[] {
  const there = new Map(Object.entries(found));
  const names = Object.entries(body)
    .filter(([name, value]) => name !== 'policies' && differs(there.get(name), value))
    .map(([name]) => name);
  const ids = (found.policies ?? [])
    .toSorted((a, b) => (a.precedence ?? 0) - (b.precedence ?? 0))
    .map(({ id }) => id);
  if (wanted.policies.includes(undefined) || differs(ids, wanted.policies)) names.push('policies');
  return [...new Set(names.map((name) => words[name] ?? name))];
}

/** The settings that a PUT would otherwise reset. */
function setByOthers(found: SelfHosted) {
  const kept = {
    allow_authenticate_via_warp: found.allow_authenticate_via_warp,
    allow_iframe: found.allow_iframe,
    cors_headers: found.cors_headers,
    custom_deny_message: found.custom_deny_message,
    custom_deny_url: found.custom_deny_url,
    custom_non_identity_deny_url: found.custom_non_identity_deny_url,
    custom_pages: found.custom_pages,
    logo_url: found.logo_url,
    mfa_config: found.mfa_config,
    options_preflight_bypass: found.options_preflight_bypass,
    path_cookie_attribute: found.path_cookie_attribute,
    service_auth_401_redirect: found.service_auth_401_redirect,
    skip_interstitial: found.skip_interstitial,
    tags: found.tags,
  };
  return Object.fromEntries(Object.entries(kept).filter(([, value]) => value !== undefined));
}
