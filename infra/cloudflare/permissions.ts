import { APIError } from 'cloudflare/core/error';
import { OperatorError } from '../terminal/operator-error.ts';

/** A right of an API token. */
export interface CloudflarePermission {
  /** The group's name in the API; a token is made with these. Ids are looked up, never written down. */
  group: string;
  /**
   * Newer and narrower groups that together allow the same; empty if there are none. Cloudflare's reference names
   * them beside the old ones, call by call.
   * https://developers.cloudflare.com/api/resources/zero_trust/subresources/tunnels/
   */
  newerGroups: readonly string[];
  /** The label in the dashboard's form. */
  label: string;
  scope: 'account' | 'zone';
  purpose: string;
  /**
   * The key for the prefilled form. `argotunnel` and `access_service_tokens` are not in Cloudflare's table, and the
   * form ignores an unknown key without a message, so the list is also printed.
   * https://developers.cloudflare.com/fundamentals/api/how-to/account-owned-token-template/
   */
  template: { key: string; type: 'edit' | 'read' };
}

export const permissions = {
  workersScripts: permission(
    'account',
    'Workers Scripts',
    'edit',
    'workers_scripts',
    'the Worker, its secrets and the webhook’s host name',
  ),
  accessApps: permission('account', 'Access: Apps and Policies', 'edit', 'access', 'who may open previews', [
    'Access: Apps',
    'Access: Policies',
  ]),
  accessServiceTokens: permission(
    'account',
    'Access: Service Tokens',
    'edit',
    'access_service_tokens',
    'the token with which make smoke and CI get through Access',
  ),
  accessOrganization: permission(
    'account',
    'Access: Organizations, Identity Providers, and Groups',
    'edit',
    'access_acct',
    'the team’s name and the sign-in methods',
  ),
  tunnels: permission('account', 'Cloudflare Tunnel', 'edit', 'argotunnel', 'a tunnel for each preview', [
    'Cloudflare One Connector: cloudflared',
  ]),
  workersRoutes: permission(
    'zone',
    'Workers Routes',
    'edit',
    'workers_routes',
    'the Worker in front of the previews',
  ),
  dns: permission('zone', 'DNS', 'edit', 'dns', 'a record for each public service of a preview'),
  zone: permission('zone', 'Zone', 'read', 'zone', 'finding the zone and its plan'),
  mint: permission(
    'account',
    'Account API Tokens',
    'edit',
    'account_api_tokens',
    'making the narrower token that the functions run with, and renewing it',
  ),
} satisfies Record<string, CloudflarePermission>;

const { mint: _itself, ...ofDeploys } = permissions;
/**
 * The permissions of the token that deploys; `permissions.mint` is needed as well if it makes the other token itself.
 */
export const deployPermissions: readonly CloudflarePermission[] = Object.values(ofDeploys);
/** The permissions of the token that the functions run with. */
export const runtimePermissions: readonly CloudflarePermission[] = [
  permissions.tunnels,
  permissions.dns,
  permissions.zone,
];

function permission(
  scope: 'account' | 'zone',
  area: string,
  type: 'edit' | 'read',
  key: string,
  purpose: string,
  newer: readonly string[] = [],
): CloudflarePermission {
  const [group, label] = type === 'edit' ? ['Write', 'Edit'] : ['Read', 'Read'];
  return {
    group: `${area} ${group}`,
    newerGroups: newer.map((one) => `${one} ${group}`),
    label: `${area}: ${label}`,
    scope,
    purpose,
    template: { key, type },
  };
}

/** The name that a person looks for in the form: `"Cloudflare Tunnel: Edit" (or ...)`. */
export function namesInForm({ label, newerGroups }: CloudflarePermission): string {
  const newer = newerGroups.map((group) => `"${group.replace(/ Write$/, ': Edit')}"`).join(' and ');
  return newer ? `"${label}" (or ${newer})` : `"${label}"`;
}

/** Carries out calls that need one permission. @throws OperatorError that names it where Cloudflare refuses */
export async function needing<T>(permission: CloudflarePermission, calls: () => Promise<T>): Promise<T> {
  try {
    return await calls();
  } catch (error) {
    if (!isRefusal(error)) throw error;
    throw new OperatorError(
      `Cloudflare refuses the token: it lacks ${namesInForm(permission)} (${permission.scope}), which is for ${permission.purpose}, or it is no longer valid.`,
      'Edit the token in Cloudflare’s dashboard, its value stays the same; or make setup for a new one.',
      { cause: error },
    );
  }
}

/** Whether Cloudflare refused a token because it is unknown, has expired, or lacks the right. */
export function isRefusal(error: unknown): boolean {
  return error instanceof APIError && (error.status === 401 || error.status === 403);
}

export function isMissing(error: unknown): boolean {
  return error instanceof APIError && error.status === 404;
}
