import * as v from 'valibot';
import { commaList } from '#core/comma-list';
import { type Config, loadConfig } from '../../lambdas/config.ts';

export const ZONE = 'eph.test';
export const SUBNETS = ['subnet-a', 'subnet-b'];
export const ROLE_ID = 'AROATESTHOST';

/** The values that the stack and Lambda itself give to a function. */
export const stackResources = {
  AWS_REGION: 'us-east-1',
  ENVIRONMENTS_TABLE: 'environments',
  BUILDS_TABLE: 'builds',
  HOSTS_TABLE: 'hosts',
  EVENTS_TABLE: 'events',
  JOB_QUEUE_URL: 'https://sqs.test/jobs',
  DEAD_LETTER_QUEUE_URL: 'https://sqs.test/dead',
  MAILBOX_BUCKET: 'mailbox',
  HOST_ROLE_ID: ROLE_ID,
  LAUNCH_TEMPLATE_ID: 'lt-0e0e0e0e0e0e0e0e0',
  LAUNCH_TEMPLATE_VERSION: '1',
  SUBNET_IDS: SUBNETS.join(','),
  IMAGE_PARAMETER: '/eph/image',
  IMAGE_ARM64_PARAMETER: '/eph/image-arm64',
  PAUSED_PARAMETER: '/eph/paused',
  REPOSITORY_SECRETS_PATH: '/eph/repositories',
  RING_DOCUMENT: 'eph-ring',
  GITHUB_APP_KEY_PARAMETER: '/eph/github',
  CLOUDFLARE_TOKEN_PARAMETER: '/eph/cloudflare',
  NAME_KEY_PARAMETER: '/eph/name',
};

/** REPOSITORIES may name those of another forge too, which an operator cannot do before there is one. */
export function testConfig({ REPOSITORIES = 'acme/*', ...overrides }: Record<string, string> = {}): Config {
  const config = loadConfig({
    ...stackResources,
    DEFAULT_INSTANCE_TYPES: 't3.small',
    DEFAULT_INSTANCE_TYPES_ARM64: 't4g.small',
    AGENT_SHA256: 'a'.repeat(64),
    PROVISION_SHA256: '',
    DEPLOYMENT_ID: 'test',
    PREVIEW_ZONE: ZONE,
    PREVIEW_ZONE_ID: 'a'.repeat(32),
    PREVIEW_SUFFIX: `-pr.${ZONE}`,
    PREVIEW_URL_TEMPLATE: 'https://{host}',
    CLOUDFLARE_ACCOUNT_ID: 'b'.repeat(32),
    CLOUDFLARE_API_URL: 'https://cloudflare.test',
    GITHUB_API_URL: 'https://github.test/api/v3',
    ACCESS_TEAM: 'team',
    ACCESS_AUD: 'c'.repeat(64),
    GITHUB_APP_ID: '1',
    TERMINATE_AFTER_SECONDS: '0',
    IDLE_STOP_SECONDS: '86400',
    ...overrides,
  });
  return { ...config, REPOSITORIES: v.parse(commaList, REPOSITORIES) };
}
