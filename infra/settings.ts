import * as v from 'valibot';

/**
 * What a deployment is told when the stack is synthesised: environment variables, all of them read here and
 * nowhere else. None is secret: secrets are SecureString parameters, written by the deploy script, of which
 * the stack knows only the names (`parameterNames`).
 *
 * No default: DEPLOYMENT_ID, PREVIEW_ZONE, PREVIEW_ZONE_ID, CLOUDFLARE_ACCOUNT_ID, ACCESS_TEAM, ACCESS_AUD,
 * GITHUB_APP_ID, AGENT_SHA256. Everything else has one, given below.
 */
const cloudflareId = v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/, 'is 32 hexadecimal digits'));
const httpUrl = v.pipe(v.string(), v.url('is a URL'), v.regex(/[^/]$/, 'has no slash at the end'));
const hostname = v.pipe(
  v.string(),
  v.regex(/^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}$/, 'is a domain name in lower case'),
);

function wholeNumber(least: number, most: number) {
  return v.pipe(
    v.string(),
    v.regex(/^\d+$/, 'is a whole number'),
    v.transform(Number),
    v.minValue(least, `is at least ${least}`),
    v.maxValue(most, `is at most ${most}`),
  );
}

const settingsSchema = v.object({
  /** Marks everything this deployment makes, so that two share an account and a zone. Part of the bucket's name. */
  DEPLOYMENT_ID: v.pipe(
    v.string(),
    v.regex(/^[a-z]([a-z0-9-]{0,14}[a-z0-9])?$/, 'is 1 to 16 of a-z, 0-9 and "-", starts with a letter'),
  ),
  /** Which repositories deploy without an `eph.yaml`: patterns like `acme/*`, separated by commas. */
  REPOSITORIES: v.optional(v.string(), ''),

  PREVIEW_ZONE: hostname,
  PREVIEW_ZONE_ID: cloudflareId,
  /** What follows an environment's name; one label only, because the free certificate covers no more. */
  PREVIEW_SUFFIX: v.optional(v.string()),
  PREVIEW_URL_TEMPLATE: v.optional(
    v.pipe(v.string(), v.includes('{host}', 'contains {host}')),
    'https://{host}',
  ),
  CLOUDFLARE_ACCOUNT_ID: cloudflareId,
  CLOUDFLARE_API_URL: v.optional(httpUrl, 'https://api.cloudflare.com/client/v4'),
  /** `acme` of acme.cloudflareaccess.com. */
  ACCESS_TEAM: v.pipe(v.string(), v.regex(/^[a-z0-9-]+$/, 'is the team name alone, without a domain')),
  ACCESS_AUD: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, 'is 64 hexadecimal digits')),

  GITHUB_API_URL: v.optional(httpUrl, 'https://api.github.com'),
  GITHUB_APP_ID: v.pipe(v.string(), v.regex(/^[1-9]\d*$/, 'is the numeric id of the GitHub App')),

  /** Of the bundled host agent, which the deploy script uploads as `agent/<sha256>.mjs`. */
  AGENT_SHA256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, 'is 64 hexadecimal digits')),
  /** 2 GiB: what the price in the README is made with. `eph.yaml` may ask for more. */
  DEFAULT_INSTANCE_TYPE: v.optional(
    v.pipe(v.string(), v.regex(/^[a-z0-9-]+\.[a-z0-9]+$/, 'looks like t3.small')),
    't3.small',
  ),
  /** Seconds from closing a pull request to deleting its disk; a day, so that a reopened one has its data. */
  TERMINATE_AFTER_SECONDS: v.optional(wholeNumber(0, 2_592_000), '86400'),
  /** Dead man's timer of a host that nobody visits and nobody speaks to, seconds; 14 days bound what a lost one costs. */
  IDLE_STOP_SECONDS: v.optional(wholeNumber(60, 2_592_000), '1209600'),
  /**
   * Most deployers at once. Above the account's own limit (10 in a young account) SQS would hand messages to
   * a throttled function, which counts as a receive and sends good jobs to the dead-letter queue.
   */
  DEPLOYER_CONCURRENCY: v.optional(wholeNumber(2, 1000), '10'),
});

type ParsedSettings = v.InferOutput<typeof settingsSchema>;
export type Settings = Omit<ParsedSettings, 'PREVIEW_SUFFIX'> & { PREVIEW_SUFFIX: string };

/** Throws one Error that lists every problem, by the variable's name. Empty variables count as missing. */
export function parseSettings(environment: Record<string, string | undefined>): Settings {
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value));
  const parsed = v.safeParse(settingsSchema, given);
  if (!parsed.success) {
    const problems = parsed.issues.map((issue) => {
      const name = v.getDotPath(issue) ?? 'settings';
      return issue.input === undefined
        ? `  ${name} is not set`
        : `  ${name} must be a value that ${issue.message}`;
    });
    throw new Error(`The stack cannot be made from these settings:\n${problems.join('\n')}`);
  }
  const settings = parsed.output;
  const PREVIEW_SUFFIX = settings.PREVIEW_SUFFIX ?? `-pr.${settings.PREVIEW_ZONE}`;
  const [label, ...rest] = PREVIEW_SUFFIX.split('.');
  if (!/^-[a-z0-9-]*[a-z0-9]$/.test(label ?? '') || rest.join('.') !== settings.PREVIEW_ZONE) {
    throw new Error(
      `PREVIEW_SUFFIX is ${PREVIEW_SUFFIX}, but must be "-", one label, and ".${settings.PREVIEW_ZONE}", like -pr.${settings.PREVIEW_ZONE}`,
    );
  }
  return { ...settings, PREVIEW_SUFFIX };
}

/** Names of what the deploy script and the image build write to Parameter Store. */
export function parameterNames(deploymentId: string) {
  return {
    githubAppKey: `/eph/${deploymentId}/github-app-key`,
    cloudflareToken: `/eph/${deploymentId}/cloudflare-token`,
    /** Key of the hash that environment names are made with: without it they could be guessed. */
    nameKey: `/eph/${deploymentId}/name-key`,
    /** Id of the machine image; plain text, written when an image is baked. */
    image: `/eph/${deploymentId}/host-image`,
  };
}

/**
 * For a template that is read, not deployed: the tests, and the local platform, which puts its own values
 * into the functions' environment. `cdk synth -c placeholders=true` fills what is not set from here.
 */
export const placeholderSettings: Record<string, string> = {
  DEPLOYMENT_ID: 'local',
  PREVIEW_ZONE: 'eph.localhost',
  PREVIEW_ZONE_ID: '0'.repeat(32),
  CLOUDFLARE_ACCOUNT_ID: '0'.repeat(32),
  ACCESS_TEAM: 'team',
  ACCESS_AUD: '0'.repeat(64),
  GITHUB_APP_ID: '1',
  AGENT_SHA256: '0'.repeat(64),
};
