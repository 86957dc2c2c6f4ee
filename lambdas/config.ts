import * as v from 'valibot';
import { commaList } from '#core/comma-list';
import { deploymentIdSchema } from '#core/deployment-id';

/**
 * What both functions are told at deploy time, read once per cold start. All problems are listed at once:
 * an operator fixes a deploy in one go. Secrets are parameter names here; `adapters/ssm-secrets.ts` reads them.
 */
const text = v.pipe(v.string('is not set'), v.minLength(1, 'is empty'));
const url = v.pipe(text, v.url('is not an address like https://api.github.com'));
const count = (what: string) =>
  v.pipe(text, v.regex(/^\d{1,9}$/, `must be a number of ${what}`), v.transform(Number));
const list = v.optional(commaList, '');

const configSchema = v.object({
  AWS_REGION: text,
  ENVIRONMENTS_TABLE: text,
  BUILDS_TABLE: text,
  HOSTS_TABLE: text,
  EVENTS_TABLE: text,
  JOB_QUEUE_URL: url,
  DEAD_LETTER_QUEUE_URL: url,
  MAILBOX_BUCKET: text,
  HOST_ROLE_ID: text,
  LAUNCH_TEMPLATE_ID: text,
  LAUNCH_TEMPLATE_VERSION: text,
  SUBNET_IDS: v.pipe(list, v.minLength(1, 'must name at least one subnet')),
  IMAGE_PARAMETER: text,
  IMAGE_ARM64_PARAMETER: text,
  PAUSED_PARAMETER: text,
  REPOSITORY_SECRETS_PATH: text,
  DEFAULT_INSTANCE_TYPES: v.pipe(list, v.minLength(1, 'must name at least one instance type')),
  DEFAULT_INSTANCE_TYPES_ARM64: v.pipe(list, v.minLength(1, 'must name at least one instance type')),
  RING_DOCUMENT: text,
  AGENT_SHA256: v.pipe(text, v.regex(/^[0-9a-f]{64}$/, 'is not a SHA-256 in hex')),
  /** Of what makes a stock machine a host; empty where the image is a baked one. */
  PROVISION_SHA256: v.optional(
    v.pipe(v.string(), v.regex(/^([0-9a-f]{64})?$/, 'is not a SHA-256 in hex')),
    '',
  ),
  DEPLOYMENT_ID: deploymentIdSchema,
  REPOSITORIES: list,
  REQUIRED_CHECK: v.pipe(
    v.optional(v.picklist(['true', 'false'], 'must be true or false'), 'false'),
    v.transform((value) => value === 'true'),
  ),
  PREVIEW_ZONE: text,
  PREVIEW_ZONE_ID: text,
  PREVIEW_SUFFIX: text,
  PREVIEW_URL_TEMPLATE: v.pipe(text, v.includes('{host}', 'must contain {host}')),
  CLOUDFLARE_ACCOUNT_ID: text,
  CLOUDFLARE_API_URL: url,
  GITHUB_API_URL: url,
  ACCESS_TEAM: text,
  ACCESS_AUD: text,
  GITHUB_APP_ID: count('the GitHub App'),
  GITHUB_APP_KEY_PARAMETER: text,
  CLOUDFLARE_TOKEN_PARAMETER: text,
  NAME_KEY_PARAMETER: text,
  TERMINATE_AFTER_SECONDS: count('seconds'),
  IDLE_STOP_SECONDS: count('seconds'),
});

export type Config = v.InferOutput<typeof configSchema>;

export function loadConfig(environment: Record<string, string | undefined>): Config {
  const parsed = v.safeParse(configSchema, environment);
  if (parsed.success) return parsed.output;
  const problems = parsed.issues.map((issue) => {
    const missing = issue.received === 'undefined' ? 'is not set' : issue.message;
    return `  ${v.getDotPath(issue) ?? '?'} ${missing}`;
  });
  throw new Error(`The function's environment is not complete:\n${problems.join('\n')}\nDeploy again.`);
}

/** `unlisted`: named by no pattern, so an `eph.yaml` decides. `excluded`: not even with an `eph.yaml`. */
export type Listing = 'listed' | 'unlisted' | 'excluded';

/**
 * Patterns of the operator's list: `owner/repo`, `owner/*`, `*`; case does not count on GitHub. Of those that name
 * the repository the last one decides, and a leading `!` excludes it. Another forge's begin with its prefix, as keys
 * do: an owner there may be somebody else.
 */
export function listingOf(patterns: readonly string[], owner: string, name: string, forge?: string): Listing {
  const prefix = forge === undefined ? '' : `${forge}:`;
  const full = `${prefix}${owner}/${name}`.toLowerCase();
  let listing: Listing = 'unlisted';
  for (const pattern of patterns) {
    const negated = pattern.startsWith('!');
    if (matches(negated ? pattern.slice(1) : pattern, full)) listing = negated ? 'excluded' : 'listed';
  }
  return listing;
}

function matches(pattern: string, full: string): boolean {
  const known = compiled.get(pattern) ?? compile(pattern);
  compiled.set(pattern, known);
  return known.test(full);
}

/** The operator's list is the same for a whole deployment, and is asked at every step. */
const compiled = new Map<string, RegExp>();

function compile(pattern: string): RegExp {
  const escaped = pattern
    .toLowerCase()
    .replace(/[.+?^${}()|[\]\\]/g, '\\$&')
    .replace(/\*/g, pattern.includes('/') ? '[^/]*' : '.*');
  return new RegExp(`^${escaped}$`);
}
