import * as v from 'valibot';
import { commaList } from '#core/comma-list';
import { deploymentIdSchema } from '#core/deployment-id';
import { archOfInstanceType } from '../../lambdas/providers/ec2/instance-types.ts';

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

function listOf<Item extends v.GenericSchema<string, string>>(item: Item, most: number) {
  return v.pipe(
    commaList,
    v.minLength(1, 'names at least one'),
    v.maxLength(most, `names at most ${most}`),
    v.array(item),
  );
}

const instanceTypes = listOf(
  v.pipe(
    v.string(),
    v.regex(
      /^[a-z][a-z0-9-]*\.(nano|micro|small|medium|large|\d*xlarge|metal(-\d+xl)?)$/,
      'has items like t3.small',
    ),
  ),
  10,
);
const yesOrNo = v.pipe(
  v.picklist(['true', 'false'], 'is true or false'),
  v.transform((text) => text === 'true'),
);

/** https://docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html#tag-conventions; ours begin with `eph:`. */
const tagText = (most: number) => new RegExp(`^[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]{0,${most}}$`, 'u');
const tagList = v.pipe(
  listOf(v.string(), 40),
  v.everyItem((item) => /^[^=]+=/.test(item), 'has items like team=web'),
  v.transform((items) =>
    items.map((item): [string, string] => {
      const at = item.indexOf('=');
      return [item.slice(0, at).trim(), item.slice(at + 1).trim()];
    }),
  ),
  v.everyItem(
    ([key, value]) => tagText(128).test(key) && tagText(256).test(value),
    'has keys (128 characters at most) and values (256) of letters, digits, spaces and _.:/=+-@',
  ),
  v.everyItem(
    ([key]) => !/^(aws:|eph:|Name$)/i.test(key),
    'has no key that begins with aws: or eph: or is Name',
  ),
  v.check((pairs) => new Set(pairs.map(([key]) => key)).size === pairs.length, 'has each key once'),
  v.transform((pairs): Record<string, string> => Object.fromEntries(pairs)),
);

export const settingsSchema = v.object({
  DEPLOYMENT_ID: deploymentIdSchema,
  /** Which repositories deploy without an `eph.yaml`: patterns like `acme/*`, separated by commas. */
  REPOSITORIES: v.optional(
    v.pipe(
      v.string(),
      v.regex(
        /^\s*(!?(\*|[\w*-]+\/[\w.*-]+)\s*(,\s*|$))*$/,
        'has patterns like acme/shop, acme/* or !acme/secret, separated by commas',
      ),
      // Lambda takes 4 KB of environment in all and refuses more in the middle of the deploy.
      // https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
      v.maxLength(
        1_000,
        'has at most 1,000 characters: a pattern like acme/* says many repositories at once',
      ),
    ),
    '',
  ),

  /** Whether `eph/preview` is a required check somewhere: what gets no preview then gets a status all the same. */
  REQUIRED_CHECK: v.optional(
    v.pipe(
      v.picklist(['true', 'false'], 'is true or false'),
      v.transform((value) => value === 'true'),
    ),
    'false',
  ),

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
  /** Of the script that makes a stock machine a host (`agent/provision-<sha256>.sh`); empty with baked images. */
  PROVISION_SHA256: v.optional(
    v.pipe(v.string(), v.regex(/^([0-9a-f]{64})?$/, 'is 64 hexadecimal digits')),
    '',
  ),
  /**
   * Tried in this order where EC2 has no capacity. 2 GiB each: what the price in the README is made with;
   * `eph.yaml` may ask for more. One of the other architecture is refused by EC2 for good (InvalidParameterValue,
   * which it also says of an instance profile that is seconds old, so a launch would be tried for ever).
   */
  DEFAULT_INSTANCE_TYPES: v.optional(
    v.pipe(
      instanceTypes,
      v.everyItem((type) => archOfInstanceType(type) === 'amd64', 'names no Arm machine (t4g, m7g, ...)'),
    ),
    't3.small,t3a.small',
  ),
  /** The same for repositories that say `arch: arm64`. */
  DEFAULT_INSTANCE_TYPES_ARM64: v.optional(
    v.pipe(
      instanceTypes,
      v.everyItem((type) => archOfInstanceType(type) === 'arm64', 'names Arm machines only (t4g, m7g, ...)'),
    ),
    't4g.small',
  ),
  /** Disk of a host in GB; at least what the image needs. */
  VOLUME_GB: v.optional(wholeNumber(10, 1_000), '20'),
  /** Seconds from closing a pull request to deleting its disk; a day, so that a reopened one has its data. */
  TERMINATE_AFTER_SECONDS: v.optional(wholeNumber(0, 2_592_000), '86400'),
  /** Dead man's timer of a host that nobody visits and nobody speaks to, seconds; 14 days bound what a lost one costs. */
  IDLE_STOP_SECONDS: v.optional(wholeNumber(60, 2_592_000), '1209600'),
  /**
   * Most deployers at once. Above the account's own limit (10 in a young account) SQS would hand messages to
   * a throttled function, which counts as a receive and sends good jobs to the dead-letter queue.
   */
  DEPLOYER_CONCURRENCY: v.optional(wholeNumber(2, 1000), '10'),

  /** A network that is there already, with its own way out to the internet. Without it the stack makes one. */
  VPC_ID: v.optional(v.pipe(v.string(), v.regex(/^vpc-[0-9a-f]{8,17}$/, 'looks like vpc-0123456789abcdef0'))),
  SUBNET_IDS: v.optional(
    listOf(
      v.pipe(v.string(), v.regex(/^subnet-[0-9a-f]{8,17}$/, 'has items like subnet-0123456789abcdef0')),
      6,
    ),
  ),
  /**
   * Zones of the network that the stack makes: each is one more place to go when a zone has no capacity.
   * No more than the account has in the region; us-west-1 offers two.
   */
  ZONES: v.optional(wholeNumber(1, 6), '3'),
  /** Takes our network out of the account's VPC Block Public Access, under which hosts reach nothing. */
  BLOCK_PUBLIC_ACCESS_EXCLUSION: v.optional(yesOrNo, 'false'),

  /** For companies that make it a condition of every role: a managed policy's ARN or name. */
  PERMISSIONS_BOUNDARY: v.optional(
    v.pipe(
      v.string(),
      v.regex(
        /^(arn:aws[a-z-]*:iam::(\d{12}|aws):policy\/\S+|[\w+=,.@-]{1,128})$/,
        'is the ARN or the name of a managed policy',
      ),
    ),
  ),
  /** Path of all roles, users and instance profiles. */
  IAM_PATH: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^\/([\w+=,.@-]+\/)*$/, 'begins and ends with "/", like /eph/'),
      v.maxLength(512),
    ),
  ),
  /** Put on everything that can carry tags, hosts and their disks included. */
  TAGS: v.optional(tagList),
  /** Told when something is wrong. Without it the alarms are there, but only in CloudWatch. */
  ALARM_EMAIL: v.optional(v.pipe(v.string(), v.email('is an e-mail address'))),
  /** Warned about at 80 % and when the month is heading above it. */
  MONTHLY_BUDGET_USD: v.optional(wholeNumber(1, 1_000_000)),
  /**
   * How the Worker hands over a delivery. `worker-key`: it puts the job into the queue with the key of an IAM
   * user. `function-url`: it sends the signed delivery to a function, for accounts that may have no IAM users.
   */
  INGRESS: v.optional(
    v.picklist(['worker-key', 'function-url'], 'is worker-key or function-url'),
    'worker-key',
  ),
});

type ParsedSettings = v.InferOutput<typeof settingsSchema>;
export type Settings = Omit<ParsedSettings, 'PREVIEW_SUFFIX'> & { PREVIEW_SUFFIX: string };

/** Throws one Error that lists every problem, by the variable's name. Empty variables count as missing. */
export function parseSettings(environment: Record<string, string | undefined>): Settings {
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value));
  const parsed = v.safeParse(settingsSchema, given);
  if (!parsed.success) {
    const problems = parsed.issues.map((issue) => {
      const name = String(issue.path?.[0]?.key ?? 'settings');
      return given[name] === undefined
        ? `  ${name} is not set`
        : `  ${name} must be a value that ${issue.message}`;
    });
    throw cannotBeMade(problems);
  }
  const settings = parsed.output;
  const contradictions = contradictionsOf(settings);
  if (contradictions.length > 0) throw cannotBeMade(contradictions);
  const PREVIEW_SUFFIX = settings.PREVIEW_SUFFIX ?? `-pr.${settings.PREVIEW_ZONE}`;
  const [label, ...rest] = PREVIEW_SUFFIX.split('.');
  if (!/^-[a-z0-9-]*[a-z0-9]$/.test(label ?? '') || rest.join('.') !== settings.PREVIEW_ZONE) {
    throw new Error(
      `PREVIEW_SUFFIX is ${PREVIEW_SUFFIX}, but must be "-", one label, and ".${settings.PREVIEW_ZONE}", like -pr.${settings.PREVIEW_ZONE}`,
    );
  }
  return { ...settings, PREVIEW_SUFFIX };
}

function cannotBeMade(problems: readonly string[]): Error {
  return new Error(`The stack cannot be made from these settings:\n${problems.join('\n')}`);
}

/** What is right by itself and not beside another setting. */
function contradictionsOf(settings: ParsedSettings): string[] {
  const problems: string[] = [];
  const { VPC_ID, SUBNET_IDS } = settings;
  if (VPC_ID && !SUBNET_IDS)
    problems.push('  SUBNET_IDS is not set, but VPC_ID is: a network of yours needs both');
  if (SUBNET_IDS && !VPC_ID)
    problems.push('  VPC_ID is not set, but SUBNET_IDS is: a network of yours needs both');
  if (VPC_ID && settings.BLOCK_PUBLIC_ACCESS_EXCLUSION) {
    problems.push(
      '  BLOCK_PUBLIC_ACCESS_EXCLUSION is for the network that Eph makes, but VPC_ID names yours',
    );
  }
  if (settings.MONTHLY_BUDGET_USD && !settings.ALARM_EMAIL) {
    problems.push('  ALARM_EMAIL is not set, but MONTHLY_BUDGET_USD is: nobody would hear of the budget');
  }
  return problems;
}

/** Of the stack in CloudFormation; what it names by itself begins so. */
export function stackName(deploymentId: string): string {
  return `eph-${deploymentId}`;
}

/**
 * Names in Parameter Store, all below one path of the deployment. Secrets are SecureStrings, written by
 * `make setup` and `make deploy`; the functions read those before the gap, hosts none.
 */
export function parameterNames(deploymentId: string) {
  const path = `/eph/${deploymentId}`;
  return {
    path,
    githubAppKey: `${path}/github-app-key`,
    /** May do what runs of Eph need: tunnels and records. */
    cloudflareToken: `${path}/cloudflare-token`,
    /** Key of the hash that environment names are made with: without it they could be guessed. Never replaced. */
    nameKey: `${path}/name-key`,
    /** Id of the machine image; plain text, written when an image is baked. */
    image: `${path}/host-image`,
    imageArm64: `${path}/host-image-arm64`,
    /** packer/pins.env as the last image was made by it. */
    imagePins: `${path}/host-image-pins`,
    /** `no`, `launches` (no new hosts) or `everything` (hosts are put to sleep too); written by make pause. */
    paused: `${path}/paused`,
    /** Secrets of an application: `<repositorySecrets>/<repository id>/<NAME>`; written by make secret. */
    repositorySecrets: `${path}/repositories`,

    /** May do what a deploy needs; read by the operator's commands only. */
    cloudflareDeployToken: `${path}/deploy/cloudflare-token`,
    /** Also read by the function that INGRESS=function-url makes. */
    webhookSecret: `${path}/deploy/webhook-secret`,
    /** The one before, while a rotation is under way. */
    webhookSecretPrevious: `${path}/deploy/webhook-secret-previous`,
    /** JSON {id, clientId, clientSecret} of the Access service token for programs (smoke, end-to-end test). */
    serviceToken: `${path}/deploy/service-token`,
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
