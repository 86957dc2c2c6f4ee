import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { explainCredentials } from '../../../infra/deploy/explain-credentials.ts';
import { loadDeployTools } from '../../../infra/deploy/load-deploy-tools.ts';
import { openDeployment } from '../../../infra/deploy/open-deployment.ts';
import { refuseState } from '../../../infra/deploy/stack-states.ts';
import { scriptedTerminal } from '../../fakes/scripted-terminal.ts';

test('every problem of the settings is reported at once, by name', async () => {
  const opening = openDeployment(scriptedTerminal(), {
    EPH_ENV_FILE: '/dev/null',
    DEPLOYMENT_ID: 'Shop',
    PREVIEW_ZONE: 'example.dev',
    AWS_REGION: 'nowhere',
  });
  await expect(opening).rejects.toMatchObject({
    name: 'OperatorError',
    fix: expect.stringContaining('make setup'),
    message: expect.stringMatching(
      /(?=[\s\S]*AWS_REGION must be)(?=[\s\S]*ACCESS_ALLOW is not set)(?=[\s\S]*DEPLOYMENT_ID must be)(?=[\s\S]*PREVIEW_ZONE_ID is not set)(?=[\s\S]*GITHUB_APP_ID is not set)/,
    ),
  });
});

test('a named settings file that does not exist is reported as such, not as missing settings', async () => {
  const opening = openDeployment(scriptedTerminal(), { EPH_ENV_FILE: '/nowhere/production.env' });
  await expect(opening).rejects.toMatchObject({
    message: 'There is no settings file /nowhere/production.env.',
    fix: expect.stringContaining('make setup ENV=/nowhere/production.env'),
  });
});

test('a name that is almost a setting is reported before its default is used; other names are ignored', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'eph-settings-'));
  const EPH_ENV_FILE = join(folder, 'my.env');
  await writeFile(
    EPH_ENV_FILE,
    'TERMINATE_AFTR_SECONDS=5\nPREVEIW_ZONE=acme.dev\nCLOUDFLARE_API_TOKEN=x\nMINE=1\n',
  );
  await expect(openDeployment(scriptedTerminal(), { EPH_ENV_FILE })).rejects.toMatchObject({
    message: `${EPH_ENV_FILE} has names that are no settings:\n  PREVEIW_ZONE: did you mean PREVIEW_ZONE?\n  TERMINATE_AFTR_SECONDS: did you mean TERMINATE_AFTER_SECONDS?`,
  });
  await rm(folder, { recursive: true });
});

function named(name: string, message = ''): Error {
  return Object.assign(new Error(message), { name });
}

test.each([
  ['ExpiredToken', '', 'The AWS session of profile shop is over.', 'aws sso login --profile shop'],
  [
    'CredentialsProviderError',
    'The SSO session associated with this profile has expired',
    'The AWS session of profile shop is over.',
    'aws sso login --profile shop',
  ],
  [
    'CredentialsProviderError',
    'Could not load credentials',
    'Profile shop has no AWS credentials.',
    'make setup',
  ],
  ['InvalidClientTokenId', '', 'AWS does not accept these credentials (InvalidClientTokenId).', 'shop'],
])('%s (%s) is told with what to type', (name, message, sentence, fix) => {
  const explained = explainCredentials(named(name, message), { AWS_PROFILE: 'shop' });
  expect(explained?.message).toBe(sentence);
  expect(explained?.fix).toContain(fix);
});

test('a refused right is reported with AWS’ own words and who can give it', () => {
  const says = 'User: x is not authorized to perform: lambda:GetFunction on resource: y';
  const explained = explainCredentials(named('AccessDeniedException', says), {});
  expect(explained?.message).toBe(says);
  expect(explained?.fix).toContain('AWS_PROFILE=<administrator> make setup');
});

test('a DEPLOYMENT_ID of another deployer is named as the mistake', () => {
  const says =
    'User: arn:aws:sts::123456789012:assumed-role/eph-shop-deployer/ada is not authorized to perform: ssm:GetParameter on resource: arn:aws:ssm:eu-central-1:123456789012:parameter/eph/shpo/host-image';
  const settings = { DEPLOYMENT_ID: 'shpo', EPH_ENV_FILE: 'production.env' };
  const explained = explainCredentials(named('AccessDeniedException', says), settings);
  expect(explained?.message).toMatch(/^DEPLOYMENT_ID is shpo, but .* of the deployer of deployment "shop"/);
  expect(explained?.fix).toContain('DEPLOYMENT_ID=shop in production.env');
  const own = explainCredentials(named('AccessDeniedException', says), { DEPLOYMENT_ID: 'shop' });
  expect(own?.message).toBe(says);
});

const stack = (StackStatus: 'UPDATE_ROLLBACK_FAILED' | 'UPDATE_IN_PROGRESS' | 'ROLLBACK_COMPLETE') => ({
  StackName: 'eph-shop',
  StackStatus,
  CreationTime: undefined,
});

test('a stack that accepts no update is reported with its repair', () => {
  expect(() => refuseState(stack('UPDATE_ROLLBACK_FAILED'), 'eu-central-1')).toThrow(
    'The stack eph-shop could not be brought back to where it was.',
  );
  expect(() => refuseState(stack('UPDATE_IN_PROGRESS'), 'eu-central-1')).toThrow(
    'is being changed right now',
  );
  expect(() => refuseState(stack('UPDATE_ROLLBACK_FAILED'), 'eu-central-1', 'destroy')).not.toThrow();
  expect(() => refuseState(stack('ROLLBACK_COMPLETE'), 'eu-central-1')).not.toThrow();
});

test('replacements for CDK, Packer and wrangler come from the module that the settings name', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'eph-tools-'));
  const module = join(folder, 'tools.ts');
  await writeFile(module, 'export const deployTools = (environment) => ({ given: environment.MINE });');
  expect(await loadDeployTools(module, { MINE: 'mine' })).toEqual({ given: 'mine' });
  await writeFile(join(folder, 'other.ts'), 'export const tools = 1;');
  await expect(loadDeployTools(join(folder, 'other.ts'), {})).rejects.toThrow('has no function deployTools');
  await expect(loadDeployTools(join(folder, 'none.ts'), {})).rejects.toMatchObject({
    message: expect.stringContaining('cannot be loaded'),
    fix: expect.stringContaining('remove it'),
  });
  await rm(folder, { recursive: true });
});
