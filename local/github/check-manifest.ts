import type { Permissions } from './github-state.ts';
import { isObject } from './request-body.ts';

/** A valid manifest, or the messages of GitHub's page about it. */
export type CheckedManifest = { ok: true; manifest: Manifest } | { ok: false; errors: string[] };

export interface Manifest {
  name: string;
  url: string;
  hookUrl: string | undefined;
  redirectUrl: string;
  public: boolean;
  permissions: Permissions;
  events: string[];
}

export const MAX_APP_NAME = 34;

/** docs.github.com, "Permissions required for GitHub Apps": the permissions on repositories and organisations. */
const permissionNames = new Set([
  ...[
    'actions',
    'administration',
    'attestations',
    'checks',
    'codespaces',
    'contents',
    'deployments',
    'discussions',
  ],
  ...[
    'environments',
    'issues',
    'merge_queues',
    'metadata',
    'packages',
    'pages',
    'pull_requests',
    'repository_hooks',
  ],
  ...[
    'repository_projects',
    'secret_scanning_alerts',
    'secrets',
    'security_events',
    'single_file',
    'statuses',
  ],
  ...['vulnerability_alerts', 'workflows', 'members', 'organization_administration', 'organization_hooks'],
  ...['organization_plan', 'organization_projects', 'organization_secrets', 'organization_user_blocking'],
]);

/** docs.github.com, "Webhook events and payloads": the permission that each event needs, "Availability". */
const eventPermissions: Record<string, string> = {
  branch_protection_rule: 'administration',
  check_run: 'checks',
  check_suite: 'checks',
  commit_comment: 'contents',
  create: 'contents',
  delete: 'contents',
  deployment: 'deployments',
  deployment_status: 'deployments',
  discussion: 'discussions',
  fork: 'contents',
  /** Not pull_requests, although comments on pull requests come with it. */
  issue_comment: 'issues',
  issues: 'issues',
  label: 'metadata',
  member: 'members',
  merge_group: 'merge_queues',
  milestone: 'issues',
  organization: 'members',
  public: 'metadata',
  pull_request: 'pull_requests',
  pull_request_review: 'pull_requests',
  pull_request_review_comment: 'pull_requests',
  pull_request_review_thread: 'pull_requests',
  push: 'contents',
  release: 'contents',
  repository: 'metadata',
  star: 'metadata',
  status: 'statuses',
  watch: 'metadata',
  workflow_dispatch: 'actions',
  workflow_job: 'actions',
  workflow_run: 'actions',
};

/**
 * Checks a manifest by GitHub's rules, with the messages of its page. `hook_attributes.url` is checked even if the
 * hook is not active, and if it is missing the message names "url", as on GitHub.
 *
 * @param publicZone names below it count as reachable, although they end in .localhost
 */
export function checkManifest(text: string, publicZone?: string): CheckedManifest {
  const raw = parse(text);
  if (!isObject(raw)) return { ok: false, errors: ['The manifest is not valid JSON.'] };
  const hook = raw['hook_attributes'];
  const permissions = readPermissions(raw['default_permissions']);
  const events = Array.isArray(raw['default_events']) ? raw['default_events'].map(String) : [];
  const errors = [
    ...urlErrors(raw, hook, publicZone),
    ...permissionErrors(permissions),
    ...eventErrors(events, permissions),
  ];
  const name = String(raw['name'] ?? '');
  if (name.length > MAX_APP_NAME) errors.push(nameTooLong);
  if (errors.length > 0) return { ok: false, errors };
  return {
    ok: true,
    manifest: {
      name,
      url: String(raw['url']),
      hookUrl: isObject(hook) && hook['active'] !== false ? String(hook['url']) : undefined,
      redirectUrl: String(raw['redirect_url']),
      public: raw['public'] === true,
      permissions: { metadata: 'read', ...asPermissions(permissions) },
      events,
    },
  };
}

export const nameTooLong = `Name is too long (maximum is ${MAX_APP_NAME} characters)`;

function urlErrors(raw: Record<string, unknown>, hook: unknown, publicZone: string | undefined): string[] {
  const errors: string[] = [];
  if (!isHttpUrl(raw['url'])) errors.push('"url" wasn\'t supplied.');
  if (!isHttpUrl(raw['redirect_url'])) errors.push('"redirect_url" wasn\'t supplied.');
  if (hook === undefined) return errors;
  const hookUrl = isObject(hook) ? hook['url'] : undefined;
  if (!isHttpUrl(hookUrl)) return [...errors, '"url" wasn\'t supplied.'];
  const { hostname } = new URL(String(hookUrl));
  if (publicZone && hostname.endsWith(`.${publicZone}`)) return errors;
  if (/^(localhost|.*\.localhost|127\..*|\[::1\]|0\.0\.0\.0|10\..*|192\.168\..*)$/.test(hostname)) {
    errors.push(
      `Hook url is not supported because it isn't reachable over the public Internet (${hostname})`,
      'Hook is invalid',
    );
  }
  return errors;
}

function permissionErrors(permissions: Record<string, unknown>): string[] {
  return Object.entries(permissions).flatMap(([name, level]) => {
    if (!permissionNames.has(name))
      return ['Default permission records resource is not included in the list'];
    const takes = name === 'metadata' ? ['read'] : ['read', 'write'];
    return takes.includes(String(level))
      ? []
      : ['Default permission records action is not included in the list'];
  });
}

function eventErrors(events: readonly string[], permissions: Record<string, unknown>): string[] {
  const unknown = events.filter((event) => !(event in eventPermissions));
  const uncovered = events.filter((event) => {
    const needed = eventPermissions[event];
    return needed !== 'metadata' && !(needed && permissions[needed]);
  });
  return [
    ...(unknown.length > 0 ? [`Default events unsupported: ${listed(unknown)}`] : []),
    ...(uncovered.length > 0
      ? [`Default events are not supported by permissions: ${listed(uncovered)}`]
      : []),
  ];
}

function listed(names: readonly string[]): string {
  if (names.length < 3) return names.join(' and ');
  return `${names.slice(0, -1).join(', ')}, and ${names.at(-1)}`;
}

function readPermissions(raw: unknown): Record<string, unknown> {
  return isObject(raw) ? raw : {};
}

function asPermissions(raw: Record<string, unknown>): Permissions {
  return Object.fromEntries(
    Object.entries(raw).map(([name, level]) => [name, level === 'write' ? 'write' : 'read']),
  );
}

function isHttpUrl(value: unknown): boolean {
  return typeof value === 'string' && /^https?:$/.test(URL.parse(value)?.protocol ?? '');
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
