import { describe, expect, it } from 'vitest';
import { functionSettings } from '#settings/function-settings';
import { parseSettings, placeholderSettings } from '../../infra/settings/settings.ts';
import { loadConfig } from '../../lambdas/config.ts';
import { stackResources } from '../fakes/test-config.ts';

const complete = { ...stackResources, ...placeholderSettings };

function problemOf(parse: () => unknown): string {
  try {
    parse();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return '';
}

describe('the environment of a function', () => {
  it.each([
    ['IDLE_STOP_SECONDS', '30', 'is at least 60'],
    ['TERMINATE_AFTER_SECONDS', '999999999', 'is at most 2592000'],
    ['GITHUB_APP_ID', '0', 'is the numeric id of the GitHub App'],
    ['REPOSITORIES', 'acme/shop acme/web', 'has patterns like acme/shop'],
    ['DEFAULT_INSTANCE_TYPES', 't4g.small', 'names no Arm machine'],
    ['REQUIRED_CHECK', 'yes', 'is true or false'],
    ['CLOUDFLARE_API_URL', 'https://api.test/', 'has no slash at the end'],
    ['PREVIEW_ZONE_ID', 'zone', 'is 32 hexadecimal digits'],
  ])('is refused with %s=%s in the words that the stack has for it', (name, value, why) => {
    const line = `  ${name} must be a value that ${why}`;
    const wrong = { ...complete, [name]: value };
    expect(problemOf(() => loadConfig(wrong))).toContain(line);
    expect(problemOf(() => parseSettings(wrong))).toContain(line);
  });

  it('means the same to the functions as to the stack', () => {
    const given = {
      ...complete,
      REPOSITORIES: ' acme/* , !acme/secret',
      REQUIRED_CHECK: 'true',
      PREVIEW_SUFFIX: '-preview.eph.localhost',
      IDLE_STOP_SECONDS: '3600',
    };
    const { SUBNET_IDS: _, ...ofStack } = given;
    const settings = parseSettings(ofStack);
    for (const name of Object.keys(functionSettings)) {
      expect(loadConfig(given), name).toHaveProperty(name, Reflect.get(settings, name));
    }
  });

  it('may be older than the code for a moment, and a setting that it lacks has its default', () => {
    expect(loadConfig(complete)).toMatchObject({
      REPOSITORIES: [],
      REQUIRED_CHECK: false,
      PREVIEW_SUFFIX: '-pr.eph.localhost',
      TERMINATE_AFTER_SECONDS: 86_400,
    });
  });

  it('is refused without what only the stack knows, with all problems at once', () => {
    const problem = problemOf(() =>
      loadConfig({
        ...complete,
        HOSTS_TABLE: '',
        SUBNET_IDS: ',',
        JOB_QUEUE_URL: 'x',
        ACCESS_TEAM: undefined,
      }),
    );
    expect(problem.split('\n').toSorted()).toEqual(
      [
        "The function's environment is not complete:",
        '  HOSTS_TABLE is not set',
        '  SUBNET_IDS must be a value that names at least one',
        '  JOB_QUEUE_URL must be a value that is a URL',
        '  ACCESS_TEAM is not set',
        'Deploy again.',
      ].toSorted(),
    );
  });
});
