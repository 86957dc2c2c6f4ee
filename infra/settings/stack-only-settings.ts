import * as v from 'valibot';
import type { SettingsTable } from '#settings/setting';
import { listOf, wholeNumber, yesOrNo } from '#settings/setting-rules';
import { tagList } from './tag-list.ts';

/** The part of the table of settings that only the stack reads, when its template is made. */
export const stackOnlySettings = {
  VOLUME_GB: {
    section: 'hosts',
    meaning: 'The disk of a host in GB, which costs also while the host is switched off.',
    rule: wholeNumber(10, 1_000),
    default: '20',
  },
  DEPLOYER_CONCURRENCY: {
    section: 'limits',
    meaning:
      "The most deployer functions that run at once. Above the account's own limit, which is 10 in a young account, good messages would end in the dead-letter queue.",
    rule: wholeNumber(2, 1000),
    default: '10',
  },

  ZONES: {
    section: 'network',
    meaning:
      'Zones of the network that the stack makes; each is one more place where EC2 may have a machine. Not more than the account has in the region: us-west-1 has two.',
    rule: wholeNumber(1, 6),
    default: '3',
  },
  VPC_ID: {
    section: 'network',
    meaning:
      'A network of yours instead of the one that the stack makes, with its own way out to the internet. It needs SUBNET_IDS too.',
    example: 'vpc-0123456789abcdef0',
    rule: v.pipe(v.string(), v.regex(/^vpc-[0-9a-f]{8,17}$/, 'looks like vpc-0123456789abcdef0')),
    optional: true,
  },
  SUBNET_IDS: {
    section: 'network',
    meaning: 'The subnets of VPC_ID in which hosts are started, separated by commas.',
    example: 'subnet-0123456789abcdef0',
    rule: listOf(
      v.pipe(v.string(), v.regex(/^subnet-[0-9a-f]{8,17}$/, 'has items like subnet-0123456789abcdef0')),
      6,
    ),
    optional: true,
  },
  BLOCK_PUBLIC_ACCESS_EXCLUSION: {
    section: 'network',
    meaning:
      'Set it to true to take the network that the stack makes out of VPC Block Public Access, under which hosts reach nothing.',
    rule: yesOrNo,
    default: 'false',
  },

  PERMISSIONS_BOUNDARY: {
    section: 'company',
    meaning: 'The managed policy, by ARN or name, that every role must have as its boundary.',
    example: 'arn:aws:iam::123456789012:policy/boundary',
    rule: v.pipe(
      v.string(),
      v.regex(
        /^(arn:aws[a-z-]*:iam::(\d{12}|aws):policy\/\S+|[\w+=,.@-]{1,128})$/,
        'is the ARN or the name of a managed policy',
      ),
    ),
    optional: true,
  },
  IAM_PATH: {
    section: 'company',
    meaning: 'The path of all roles, users and instance profiles.',
    example: '/eph/',
    rule: v.pipe(
      v.string(),
      v.regex(/^\/([\w+=,.@-]+\/)*$/, 'begins and ends with "/", like /eph/'),
      v.maxLength(512, 'has at most 512 characters'),
    ),
    optional: true,
  },
  TAGS: {
    section: 'company',
    meaning: 'Tags for everything that can carry tags, hosts and their disks included.',
    example: 'team=web,cost-center=42',
    rule: tagList,
    optional: true,
  },
  INGRESS: {
    section: 'company',
    meaning:
      'How the Worker hands over a delivery of GitHub. worker-key: it writes to the queue with the key of an IAM user. function-url: it calls a function, for accounts that may have no IAM users.',
    rule: v.picklist(['worker-key', 'function-url'], 'is worker-key or function-url'),
    default: 'worker-key',
  },

  ALARM_EMAIL: {
    section: 'alarms',
    meaning:
      'Who is mailed when something is wrong. It adds a KMS key, which costs $1 a month. Without it the alarms are shown in CloudWatch only.',
    example: 'ops@acme.dev',
    rule: v.pipe(v.string(), v.email('is an e-mail address')),
    optional: true,
  },
  MONTHLY_BUDGET_USD: {
    section: 'alarms',
    meaning:
      'Dollars a month. ALARM_EMAIL, which it needs, is warned at 80 % and when the month is heading above it. It counts once `eph:deployment` is active as a cost allocation tag.',
    example: '100',
    rule: wholeNumber(1, 1_000_000),
    optional: true,
  },
} as const satisfies SettingsTable;
