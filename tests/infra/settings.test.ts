import { expect, test } from 'vitest';
import { parseSettings, placeholderSettings } from '../../infra/settings.ts';

test('settings have defaults for all that does not belong to one deployment', () => {
  expect(parseSettings(placeholderSettings)).toEqual({
    ...placeholderSettings,
    REPOSITORIES: '',
    PREVIEW_SUFFIX: '-pr.eph.localhost',
    PREVIEW_URL_TEMPLATE: 'https://{host}',
    CLOUDFLARE_API_URL: 'https://api.cloudflare.com/client/v4',
    GITHUB_API_URL: 'https://api.github.com',
    DEFAULT_INSTANCE_TYPE: 't3.small',
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
