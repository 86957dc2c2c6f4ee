import { expect, test } from 'vitest';
import { parseSettings, placeholderSettings } from '../../infra/settings/settings.ts';

test('settings have defaults for everything that does not belong to one deployment', () => {
  expect(parseSettings(placeholderSettings)).toEqual({
    ...placeholderSettings,
    GITHUB_APP_ID: 1,
    REPOSITORIES: [],
    REQUIRED_CHECK: false,
    PREVIEW_SUFFIX: '-pr.eph.localhost',
    PREVIEW_URL_TEMPLATE: 'https://{host}',
    CLOUDFLARE_API_URL: 'https://api.cloudflare.com/client/v4',
    GITHUB_API_URL: 'https://api.github.com',
    DEFAULT_INSTANCE_TYPES: ['t3.small', 't3a.small'],
    DEFAULT_INSTANCE_TYPES_ARM64: ['t4g.small'],
    PROVISION_SHA256: '',
    VOLUME_GB: 20,
    ZONES: 3,
    BLOCK_PUBLIC_ACCESS_EXCLUSION: false,
    INGRESS: 'worker-key',
    TERMINATE_AFTER_SECONDS: 86_400,
    IDLE_STOP_SECONDS: 1_209_600,
    DEPLOYER_CONCURRENCY: 10,
  });
});

test('every problem is listed, by the name of the variable', () => {
  const wrong = {
    ...placeholderSettings,
    DEPLOYMENT_ID: 'Production!',
    GITHUB_APP_ID: '',
    ACCESS_TEAM: 'acme.cloudflareaccess.com',
    TERMINATE_AFTER_SECONDS: '24h',
    DEPLOYER_CONCURRENCY: '1',
  };
  expect(() => parseSettings(wrong)).toThrow(
    [
      'The stack cannot be made from these settings:',
      '  DEPLOYMENT_ID must be a value that is 1 to 16 of a-z, 0-9 and "-", starts with a letter',
      '  ACCESS_TEAM must be a value that is the team name alone, without a domain',
      '  GITHUB_APP_ID is not set',
      '  TERMINATE_AFTER_SECONDS must be a value that is a whole number',
      '  DEPLOYER_CONCURRENCY must be a value that is at least 2',
    ].join('\n'),
  );
});

test.each([
  ['is outside the zone', '-pr.other.example'],
  ['ends like the zone, but is another', '-pr.noteph.localhost'],
  ['has no label', '.eph.localhost'],
  ['would run into the name', 'pr.eph.localhost'],
  ['has a second label, which the free certificate does not cover', '-pr.previews.eph.localhost'],
])('a suffix that %s is refused', (_, PREVIEW_SUFFIX) => {
  expect(() => parseSettings({ ...placeholderSettings, PREVIEW_SUFFIX })).toThrow(
    `PREVIEW_SUFFIX is ${PREVIEW_SUFFIX}, but must be "-", one label, and ".eph.localhost"`,
  );
});

const subnet = 'subnet-0123456789abcdef0';

test('lists may have spaces around their commas', () => {
  const settings = parseSettings({
    ...placeholderSettings,
    VPC_ID: 'vpc-0123456789abcdef0',
    SUBNET_IDS: `${subnet}, subnet-11111111`,
    DEFAULT_INSTANCE_TYPES: 'm7i-flex.large , u7i-12tb.224xlarge',
    TAGS: 'team=web, cost center=4 = 2,empty=',
  });
  expect(settings.SUBNET_IDS).toEqual([subnet, 'subnet-11111111']);
  expect(settings.DEFAULT_INSTANCE_TYPES).toEqual(['m7i-flex.large', 'u7i-12tb.224xlarge']);
  expect(settings.TAGS).toEqual({ team: 'web', 'cost center': '4 = 2', empty: '' });
});

test.each<[string, Record<string, string>, string]>([
  ['a list with a wrong item', { DEFAULT_INSTANCE_TYPES: 't3.small,large' }, 'has items like t3.small'],
  [
    'an address for a repository',
    { REPOSITORIES: 'https://github.com/acme/shop' },
    'has patterns like acme/shop',
  ],
  [
    'more repositories than a function can be told',
    { REPOSITORIES: Array.from({ length: 100 }, (_, n) => `acme/shop-${n}`).join(',') },
    'has at most 1,000 characters',
  ],
  ['repositories without commas between them', { REPOSITORIES: 'acme/shop acme/web' }, 'has patterns like'],
  ['a type that EC2 has not', { DEFAULT_INSTANCE_TYPES: 't3.smal' }, 'has items like t3.small'],
  [
    'an Arm machine among the others',
    { DEFAULT_INSTANCE_TYPES: 't3.small,t4g.small' },
    'names no Arm machine',
  ],
  [
    'another machine among those of Arm',
    { DEFAULT_INSTANCE_TYPES_ARM64: 't3.small' },
    'names Arm machines only',
  ],
  ['a list of nothing', { DEFAULT_INSTANCE_TYPES_ARM64: ',' }, 'names at least one'],
  [
    'more subnets than zones can be',
    { VPC_ID: 'vpc-12345678', SUBNET_IDS: Array(7).fill(subnet).join() },
    'names at most 6',
  ],
  ['a disk that no image fits on', { VOLUME_GB: '5' }, 'is at least 10'],
  ['a boundary that is neither ARN nor name', { PERMISSIONS_BOUNDARY: 'a b' }, 'is the ARN or the name'],
  ['a path without slashes', { IAM_PATH: 'eph' }, 'begins and ends with "/"'],
  ['a tag without a value', { TAGS: 'team' }, 'has items like team=web'],
  ['a tag of ours', { TAGS: 'eph:deployment=other' }, 'has no key that begins with aws: or eph: or is Name'],
  ['a tag of AWS', { TAGS: 'aws:x=1' }, 'has no key that begins with aws:'],
  ['a tag that AWS would refuse', { TAGS: 'team=web;x' }, 'has keys .* of letters, digits, spaces'],
  ['a tag given twice', { TAGS: 'a=1,a=2' }, 'has each key once'],
  ['half an address', { ALARM_EMAIL: 'ops' }, 'is an e-mail address'],
  ['a way in that does not exist', { INGRESS: 'none' }, 'is worker-key or function-url'],
  ['yes for true', { BLOCK_PUBLIC_ACCESS_EXCLUSION: 'yes' }, 'is true or false'],
])('%s is refused by name', (_, given, why) => {
  const name = Object.keys(given).at(-1);
  expect(() => parseSettings({ ...placeholderSettings, ...given })).toThrow(
    new RegExp(`  ${name} must be a value that ${why}`),
  );
});

test.each<[string, Record<string, string>, string]>([
  ['a network without subnets', { VPC_ID: 'vpc-12345678' }, 'SUBNET_IDS is not set, but VPC_ID is'],
  ['subnets without their network', { SUBNET_IDS: subnet }, 'VPC_ID is not set, but SUBNET_IDS is'],
  [
    "an exclusion of somebody else's network",
    { VPC_ID: 'vpc-12345678', SUBNET_IDS: subnet, BLOCK_PUBLIC_ACCESS_EXCLUSION: 'true' },
    'BLOCK_PUBLIC_ACCESS_EXCLUSION is for the network that Eph makes',
  ],
  ['a budget of which nobody hears', { MONTHLY_BUDGET_USD: '50' }, 'ALARM_EMAIL is not set'],
])('%s is refused', (_, given, why) => {
  expect(() => parseSettings({ ...placeholderSettings, ...given })).toThrow(why);
});

test('the longest id leaves a bucket name that S3 takes, in the region with the longest name', () => {
  const DEPLOYMENT_ID = `a${'b'.repeat(15)}`;
  const { DEPLOYMENT_ID: id } = parseSettings({ ...placeholderSettings, DEPLOYMENT_ID });
  expect(`eph-${id}-123456789012-ap-northeast-1`.length).toBeLessThanOrEqual(63);
  expect(() => parseSettings({ ...placeholderSettings, DEPLOYMENT_ID: `${id}c` })).toThrow('1 to 16');
});
