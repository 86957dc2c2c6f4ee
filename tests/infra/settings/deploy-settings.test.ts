import { describe, expect, it } from 'vitest';
import { parseDeploySettings } from '../../../infra/settings/deploy-settings.ts';
import type { Environment } from '../../../infra/settings/env-file.ts';

const complete: Environment = {
  DEPLOYMENT_ID: 'staging',
  AWS_REGION: 'eu-central-1',
  PREVIEW_ZONE: 'acme.dev',
  PREVIEW_ZONE_ID: 'a'.repeat(32),
  CLOUDFLARE_ACCOUNT_ID: 'b'.repeat(32),
  ACCESS_TEAM: 'acme',
  ACCESS_ALLOW: 'ada@acme.dev, @acme.dev,github:acme,github:acme/web',
  GITHUB_OWNER: 'acme',
  GITHUB_APP_ID: '17',
  GITHUB_APP_SLUG: 'eph-staging',
};

function problemsOf(environment: Environment): string {
  try {
    parseDeploySettings(environment);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return '';
}

describe('the settings of a deployment', () => {
  it('are complete with the answers of setup; hosts are named after the deployment', () => {
    expect(parseDeploySettings(complete)).toMatchObject({
      PREVIEW_SUFFIX: '-pr.acme.dev',
      WEBHOOK_HOST: 'eph-staging-hooks.acme.dev',
      DASHBOARD_HOST: 'eph-staging.acme.dev',
      ACCESS_ALLOW: ['ada@acme.dev', '@acme.dev', 'github:acme', 'github:acme/web'],
      HOST_IMAGE: 'baked',
      ARM64: false,
    });
  });

  it('are refused with everything that is missing, the stack’s and the commands’', () => {
    const problems = problemsOf({});
    for (const name of Object.keys(complete)) expect(problems).toContain(`${name} is not set`);
    expect(problems).not.toContain('ACCESS_AUD');
    expect(problems).not.toContain('AGENT_SHA256');
  });

  it.each([
    ['ACCESS_ALLOW', 'acme', 'github:acme'],
    ['ACCESS_ALLOW', 'github:acme/web/more', 'github:acme/web'],
    ['ACCESS_ALLOW', ' , ', 'at least one'],
    ['ACCESS_SESSION', '0h', '8h or 30m'],
    ['AWS_REGION', 'Frankfurt', 'eu-central-1'],
    ['HOST_IMAGE', 'docker', 'baked or stock'],
    ['ARM64', 'yes', 'true or false'],
    ['WEBHOOK_HOST', 'https://hooks.acme.dev', 'host name'],
    ['PREVIEW_ZONE_ID', 'acme.dev', '32 hexadecimal'],
    ['PREVIEW_SUFFIX', '.previews.acme.dev', 'PREVIEW_SUFFIX'],
  ])('refuse %s=%s and say what it should be', (name, value, expected) => {
    const problems = problemsOf({ ...complete, [name]: value });
    expect(problems).toContain(name);
    expect(problems).toContain(expected);
  });

  it('refuse a host outside the zone, where no record of ours can be', () => {
    expect(problemsOf({ ...complete, WEBHOOK_HOST: 'hooks.other.dev' })).toContain('WEBHOOK_HOST');
  });

  it('refuse a host that the previews’ sign-in covers, where GitHub would meet the login page', () => {
    expect(problemsOf({ ...complete, WEBHOOK_HOST: 'hooks-pr.acme.dev' })).toContain('WEBHOOK_HOST');
  });
});
