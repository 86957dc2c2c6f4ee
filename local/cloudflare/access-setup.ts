/**
 * What a deploy sets up in Access, once: one-time PIN as the way to log in, one service token for programs,
 * two policies, and ONE application for all previews (`*-pr.<zone>`), so that no preview is ever open between
 * its DNS record and an application of its own. Through the API with the official client, as a deploy does.
 */

import { Applications } from 'cloudflare/resources/zero-trust/access/applications/applications';
import { Policies } from 'cloudflare/resources/zero-trust/access/policies';
import { ServiceTokens } from 'cloudflare/resources/zero-trust/access/service-tokens';
import { IdentityProviders } from 'cloudflare/resources/zero-trust/identity-providers/identity-providers';
import { createClient } from 'cloudflare/tree-shakable';

export interface AccessSetupOptions {
  /** `<url>/client/v4` */
  apiUrl: string;
  apiToken: string;
  accountId: string;
  /** `*-pr.<zone>` */
  domain: string;
  /** Who may log in. */
  emails: readonly string[];
  /** How long a login lasts; short, since membership is looked at when it begins only. */
  sessionDuration?: string;
}

export interface AccessSetup {
  applicationId: string;
  applicationAud: string;
  serviceToken: { id: string; clientId: string; clientSecret: string };
}

export async function accessSetup(options: AccessSetupOptions): Promise<AccessSetup> {
  const { zeroTrust } = createClient({
    baseURL: options.apiUrl,
    apiToken: options.apiToken,
    resources: [Applications, Policies, ServiceTokens, IdentityProviders],
  });
  const account_id = options.accountId;
  const provider = await zeroTrust.identityProviders.create({
    account_id,
    name: 'One-time PIN',
    type: 'onetimepin',
    config: {},
  });
  const token = await zeroTrust.access.serviceTokens.create({ account_id, name: 'eph previews' });
  const people = await zeroTrust.access.policies.create({
    account_id,
    name: 'eph previews: people',
    decision: 'allow',
    include: options.emails.map((email) => ({ email: { email } })),
  });
  const programs = await zeroTrust.access.policies.create({
    account_id,
    name: 'eph previews: programs',
    decision: 'non_identity',
    include: [{ service_token: { token_id: required(token.id, 'service token id') } }],
  });
  const application = await zeroTrust.access.applications.create({
    account_id,
    type: 'self_hosted',
    name: 'eph previews',
    domain: options.domain,
    destinations: [{ type: 'public', uri: options.domain }],
    session_duration: options.sessionDuration ?? '8h',
    allowed_idps: [required(provider.id, 'identity provider id')],
    auto_redirect_to_identity: true,
    app_launcher_visible: false,
    http_only_cookie_attribute: true,
    same_site_cookie_attribute: 'lax',
    enable_binding_cookie: true,
    policies: [
      { id: required(programs.id, 'policy id'), precedence: 1 },
      { id: required(people.id, 'policy id'), precedence: 2 },
    ],
  });
  return {
    applicationId: required(application.id, 'application id'),
    applicationAud: required('aud' in application ? application.aud : undefined, 'application aud'),
    serviceToken: {
      id: required(token.id, 'service token id'),
      clientId: required(token.client_id, 'service token client id'),
      clientSecret: required(token.client_secret, 'service token secret'),
    },
  };
}

function required(value: string | undefined, what: string): string {
  if (value === undefined) throw new Error(`Cloudflare's reply has no ${what}.`);
  return value;
}
