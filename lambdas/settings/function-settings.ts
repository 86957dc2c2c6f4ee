import * as v from 'valibot';
import { commaList } from '#core/comma-list';
import { deploymentIdSchema } from '#core/deployment-id';
import type { Setting } from './setting.ts';
import {
  cloudflareId,
  httpUrl,
  instanceTypesOf,
  nameInDns,
  sha256,
  wholeNumber,
  yesOrNo,
} from './setting-rules.ts';

/** What can be written into a function's environment and be read from it again. */
type Told = string | number | boolean | readonly string[];

/**
 * The part of the table of settings that the functions read. The stack reads it first, with the same rules, and writes
 * the values into the functions' environment under the same names (`infra/stack/control-plane-stack.ts`). The rest of
 * the table is in `infra/settings`.
 */
export const functionSettings = {
  DEPLOYMENT_ID: {
    section: 'deployment',
    meaning:
      'The name of this deployment. Everything that the deployment makes is marked with it, so never change it afterwards.',
    example: 'staging',
    rule: deploymentIdSchema,
  },

  REPOSITORIES: {
    section: 'repositories',
    meaning:
      'Repositories that get previews without an `eph.yaml`: `owner/repo` or `owner/*`, separated by commas. `!owner/repo` gets none, not even with an `eph.yaml`. Of several patterns that fit a repository the last one counts.',
    example: 'acme/*,!acme/secret',
    rule: v.pipe(
      v.string(),
      v.regex(
        /^\s*(!?(\*|[\w*-]+\/[\w.*-]+)\s*(,\s*|$))*$/,
        'has patterns like acme/shop, acme/* or !acme/secret, separated by commas',
      ),
      // Lambda accepts 4 KB of environment in all, and refuses more in the middle of the deploy.
      // https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
      v.maxLength(
        1_000,
        'has at most 1,000 characters: a pattern like acme/* says many repositories at once',
      ),
      commaList,
    ),
    default: '',
  },
  REQUIRED_CHECK: {
    section: 'repositories',
    meaning:
      'Set it to true where a repository requires the check `eph/preview`. Pull requests without a preview (drafts, forks and others) and merge queues then get a green status that says why there is none.',
    rule: yesOrNo,
    default: 'false',
  },

  PREVIEW_ZONE: {
    section: 'addresses',
    meaning: 'The domain of the addresses of previews, which is a zone in your Cloudflare account.',
    example: 'acme.dev',
    rule: nameInDns('domain name'),
  },
  PREVIEW_ZONE_ID: {
    section: 'addresses',
    meaning: 'The id of the zone at Cloudflare.',
    example: '0123456789abcdef0123456789abcdef',
    rule: cloudflareId,
    foundBy: 'setup',
  },
  CLOUDFLARE_ACCOUNT_ID: {
    section: 'addresses',
    meaning: 'The id of the account at Cloudflare.',
    example: '0123456789abcdef0123456789abcdef',
    rule: cloudflareId,
    foundBy: 'setup',
  },
  PREVIEW_SUFFIX: {
    section: 'addresses',
    meaning:
      'What follows the name of an environment in its host name. The free certificate covers one label before the zone only.',
    // `previewSuffix` checks this, because it needs the zone, too.
    rule: v.string('is "-", one label, "." and the zone'),
    defaultFrom: '-pr.<PREVIEW_ZONE>',
  },
  PREVIEW_URL_TEMPLATE: {
    section: 'addresses',
    meaning: 'How an address is made from the host name of a preview, which replaces `{host}`.',
    rule: v.pipe(v.string(), v.includes('{host}', 'contains {host}')),
    default: 'https://{host}',
  },
  CLOUDFLARE_API_URL: {
    section: 'addresses',
    meaning: 'The API of Cloudflare. Only the platform on one machine needs another one.',
    rule: httpUrl,
    default: 'https://api.cloudflare.com/client/v4',
  },

  ACCESS_TEAM: {
    section: 'sign-in',
    meaning: 'The team name of Zero Trust: it is acme where people sign in at acme.cloudflareaccess.com.',
    example: 'acme',
    rule: v.pipe(v.string(), v.regex(/^[a-z0-9-]+$/, 'is the team name alone, without a domain')),
    foundBy: 'setup',
  },
  ACCESS_AUD: {
    section: 'sign-in',
    meaning: 'The audience of the Access application that protects the previews. Cloudflare tells it.',
    rule: sha256,
    foundBy: 'deploy',
  },

  GITHUB_APP_ID: {
    section: 'github',
    meaning: 'The number of the GitHub App.',
    example: '123456',
    // Fifteen digits are the most that a number keeps exactly.
    rule: v.pipe(
      v.string(),
      v.regex(/^[1-9]\d{0,14}$/, 'is the numeric id of the GitHub App'),
      v.transform(Number),
    ),
    foundBy: 'setup',
  },
  GITHUB_API_URL: {
    section: 'github',
    meaning: 'The API of GitHub. That of a GitHub Enterprise Server is `https://<host>/api/v3`.',
    rule: httpUrl,
    default: 'https://api.github.com',
  },

  DEFAULT_INSTANCE_TYPES: {
    section: 'hosts',
    meaning:
      'Types of machines, separated by commas, which are tried in this order where EC2 has none of one. An `eph.yaml` may ask for another one.',
    rule: instanceTypesOf('amd64', 'names no Arm machine (t4g, m7g, ...)'),
    // Each has 2 GiB. The prices in the README are calculated with the first one.
    default: 't3.small,t3a.small',
  },
  DEFAULT_INSTANCE_TYPES_ARM64: {
    section: 'hosts',
    meaning: 'The same for repositories whose `eph.yaml` says `arch: arm64`.',
    rule: instanceTypesOf('arm64', 'names Arm machines only (t4g, m7g, ...)'),
    default: 't4g.small',
  },
  AGENT_SHA256: {
    section: 'hosts',
    meaning: 'The hash of the host agent, which a deploy builds and uploads as `agent/<hash>.mjs`.',
    rule: sha256,
    foundBy: 'deploy',
  },
  PROVISION_SHA256: {
    section: 'hosts',
    meaning:
      'The hash of the script that makes a stock machine a host, which a deploy uploads as `agent/provision-<hash>.sh`. There is none with baked images.',
    rule: v.pipe(v.string(), v.regex(/^([0-9a-f]{64})?$/, 'is 64 hexadecimal digits')),
    default: '',
    foundBy: 'deploy',
  },

  TERMINATE_AFTER_SECONDS: {
    section: 'limits',
    meaning:
      'Seconds from the closing of a pull request to the deletion of its disk. A pull request that is reopened before that has its data.',
    rule: wholeNumber(0, 2_592_000),
    default: '86400',
  },
  IDLE_STOP_SECONDS: {
    section: 'limits',
    meaning:
      'Seconds after which a host switches itself off when nobody visits it and Eph does not speak to it. This bounds the cost of a host that was lost.',
    rule: wholeNumber(60, 2_592_000),
    default: '1209600',
  },
} as const satisfies Readonly<Record<string, Setting & { rule: v.GenericSchema<string, Told> }>>;
