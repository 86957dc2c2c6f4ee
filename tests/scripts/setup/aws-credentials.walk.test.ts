import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { GetParametersCommand } from '@aws-sdk/client-ssm';
import { GetCallerIdentityCommand } from '@aws-sdk/client-sts';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { awsClients } from '../../../infra/deploy/aws-clients.ts';
import { deployerPolicy } from '../../../infra/deploy/deployer-policy.ts';
import { readEnvFile } from '../../../infra/settings/env-file.ts';
import { type LocalAws, startAws } from '../../../local/aws/start-aws.ts';
import { setUpAwsCredentials } from '../../../scripts/setup/aws-credentials.ts';
import { scriptedTerminal } from '../../fakes/scripted-terminal.ts';
import { createFakeHostDriver } from '../../local/aws/fake-host-driver.ts';

let aws: LocalAws;
beforeAll(async () => {
  const wireLog = { record: () => undefined, close: async () => undefined };
  aws = await startAws({ hostDriver: createFakeHostDriver(), wireLog, log: () => undefined });
});
afterAll(() => aws.close());

let folder: string;
let envFile: string;
let awsConfigFile: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'eph-aws-'));
  envFile = join(folder, '.env');
  awsConfigFile = join(folder, 'aws/config');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** An administrator of the account, who is not its root user. */
const administrator = () =>
  aws.credentials.operator('administrator', {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }],
  });

/** The same identity in a profile of ~/.aws, which is necessary when another profile refers to it. */
async function administratorProfile(): Promise<Record<string, string>> {
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = administrator();
  const file = join(folder, 'credentials');
  await writeFile(
    file,
    `[administrator]\naws_access_key_id = ${AWS_ACCESS_KEY_ID}\naws_secret_access_key = ${AWS_SECRET_ACCESS_KEY}\n`,
  );
  vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', file);
  vi.stubEnv('AWS_CONFIG_FILE', awsConfigFile);
  return { AWS_PROFILE: 'administrator' };
}
afterEach(() => vi.unstubAllEnvs());

async function setUp(
  answers: Record<string, string | boolean>,
  more: Record<string, string> = administrator(),
) {
  const terminal = scriptedTerminal(answers);
  const given = { DEPLOYMENT_ID: 'staging', AWS_ENDPOINT_URL: aws.url, ...more };
  const environment = await readEnvFile(envFile, { ...given, AWS_REGION: '' });
  const identity = await setUpAwsCredentials({ terminal, environment, envFile, awsConfigFile });
  return { terminal, identity, settings: await readEnvFile(envFile, {}) };
}

test('the present identity is used as it is, and nothing is made', async () => {
  const { terminal, identity, settings } = await setUp({ AWS_REGION: 'us-east-1', AWS_DEPLOYER: 'self' });
  expect(identity).toMatchObject({ account: '000000000000', partition: 'aws' });
  expect(settings).toEqual({ AWS_REGION: 'us-east-1', AWS_DEPLOYER: 'self' });
  expect(terminal.lines.join('\n')).toContain('Account 000000000000, as assumed-role/administrator');
});

test('a role of its own has the deployer’s rights, and a profile assumes it', async () => {
  const role = { AWS_REGION: 'us-east-1', AWS_DEPLOYER: 'role' };
  const { settings } = await setUp(role, await administratorProfile());
  const { policies, trust } = aws.credentials.roles.get('eph-staging-deployer');
  const scope = { partition: 'aws', account: '000000000000', region: 'us-east-1', deploymentId: 'staging' };
  expect(JSON.parse(policies.get('deploy-eph') ?? '')).toEqual(
    deployerPolicy({ ...scope, bakesImages: true }),
  );
  expect(trust).toContain('arn:aws:iam::000000000000:root');
  expect(settings['AWS_PROFILE']).toBe('eph-staging');
  expect(await readFile(awsConfigFile, 'utf8')).toContain(
    '[profile eph-staging]\nrole_arn = arn:aws:iam::000000000000:role/eph-staging-deployer\nsource_profile = administrator\n',
  );
});

test('GitHub Actions of one repository may deploy: jobs of its environment production, and of no other', async () => {
  const more = { ...(await administratorProfile()), DEPLOYMENT_ID: 'actions' };
  const { roles } = aws.credentials;
  await setUp({ AWS_REGION: 'us-east-1', AWS_DEPLOYER: 'role' }, more);
  expect(roles.get('eph-actions-deployer').trust).not.toContain('Federated');

  const repository = { ...more, DEPLOY_REPOSITORY: 'acme/eph' };
  const { terminal } = await setUp({}, repository);
  const [ofAccount, ofJobs] = JSON.parse(roles.get('eph-actions-deployer').trust).Statement;
  expect(ofAccount.Action).toBe('sts:AssumeRole');
  const issuer = 'token.actions.githubusercontent.com';
  expect(ofJobs).toEqual({
    Effect: 'Allow',
    Principal: { Federated: `arn:aws:iam::000000000000:oidc-provider/${issuer}` },
    Action: 'sts:AssumeRoleWithWebIdentity',
    Condition: {
      StringEquals: { [`${issuer}:aud`]: 'sts.amazonaws.com' },
      StringLike: {
        [`${issuer}:sub`]: [
          'repo:acme/eph:environment:production',
          'repo:acme@*/eph@*:environment:production',
        ],
      },
    },
  });
  expect(terminal.lines.join('\n')).toContain(
    'gh variable set AWS_ROLE_ARN --env production --repo acme/eph --body arn:aws:iam::000000000000:role/eph-actions-deployer',
  );
  // Run again, also for a second deployment of the account, the provider is there already; without the setting the
  // trust stays.
  await setUp({}, repository);
  await setUp({}, more);
  expect(roles.get('eph-actions-deployer').trust).toContain('Federated');
  await expect(setUp({}, { ...more, DEPLOY_REPOSITORY: 'acme/*' })).rejects.toThrow('no repository');
});

test('the workflow deploys from the environment that the role trusts', async () => {
  const workflow = await readFile(join(import.meta.dirname, '../../../.github/workflows/deploy.yml'), 'utf8');
  expect(workflow).toMatch(/^ {4}environment: production$/m);
  expect(workflow).toMatch(/role-to-assume: \$\{\{ vars\.AWS_ROLE_ARN \}\}/);
});

test('a second run asks nothing, and does not write the profile twice', async () => {
  const profile = await administratorProfile();
  await setUp({ AWS_REGION: 'us-east-1', AWS_DEPLOYER: 'role' }, profile);
  const { terminal } = await setUp({}, profile);
  expect(terminal.asked).toEqual([]);
  expect((await readFile(awsConfigFile, 'utf8')).match(/\[profile eph-staging\]/g)).toHaveLength(1);
});

test('keys of the shell, which would override any profile, prevent a role', async () => {
  const refused = setUp({ AWS_REGION: 'us-east-1', AWS_DEPLOYER: 'role' });
  await expect(refused).rejects.toThrow('AWS_ACCESS_KEY_ID is set in this shell');
});

test('setup waits for the role, which IAM reports with a delay, and it works when setup continues', async () => {
  const { knobs } = aws.credentials.roles;
  knobs.settlingMs = 1_000;
  const { settings } = await setUp(
    { AWS_REGION: 'us-east-1', AWS_DEPLOYER: 'role', DEPLOYMENT_ID: 'slow' },
    { ...(await administratorProfile()), DEPLOYMENT_ID: 'slow' },
  );
  knobs.settlingMs = 0;
  const profile = { AWS_PROFILE: settings['AWS_PROFILE'], AWS_ENDPOINT_URL: aws.url };
  const { sts, ssm } = awsClients('us-east-1', profile);
  expect((await sts.send(new GetCallerIdentityCommand({}))).Arn).toContain('/eph-slow-deployer/');
  await expect(ssm.send(new GetParametersCommand({ Names: ['/eph/other/key'] }))).rejects.toThrow(
    'not authorized',
  );
});

test('a profile of the same name that leads into another account is refused', async () => {
  const profile = await administratorProfile();
  await mkdir(dirname(awsConfigFile));
  await writeFile(
    awsConfigFile,
    '[profile eph-staging]\nrole_arn = arn:aws:iam::999999999999:role/eph-staging-deployer\nsource_profile = x\n\n[profile y]\nrole_arn = arn:aws:iam::000000000000:role/eph-staging-deployer\n',
  );
  const refused = setUp({ AWS_REGION: 'us-east-1', AWS_DEPLOYER: 'role' }, profile);
  await expect(refused).rejects.toThrow(
    'assumes arn:aws:iam::999999999999:role/eph-staging-deployer, not arn:aws:iam::000000000000:role',
  );
  expect(await readEnvFile(envFile, {})).not.toHaveProperty('AWS_PROFILE');
});

test('keys and a profile at once are refused, since programs differ in which they use', () => {
  const both = { AWS_ACCESS_KEY_ID: 'AKIA', AWS_SECRET_ACCESS_KEY: 's', AWS_PROFILE: 'prod' };
  expect(() => awsClients('us-east-1', both)).toThrow(
    'Both AWS_ACCESS_KEY_ID and AWS_PROFILE (prod) are set.',
  );
});

test('an operator who does not want ~/.aws/config changed is told what to write there', async () => {
  const answers = { AWS_REGION: 'us-east-1', AWS_DEPLOYER: 'role', 'Add this profile': false };
  const refused = setUp(answers, await administratorProfile());
  await expect(refused).rejects.toThrow('no profile assumes it');
  await expect(readFile(awsConfigFile, 'utf8')).rejects.toThrow('ENOENT');
});

test('the root user’s keys are refused', async () => {
  await writeFile(envFile, '');
  await expect(setUp({ AWS_REGION: 'us-east-1' }, aws.credentials.root())).rejects.toThrow('root user');
});

test('keys that AWS does not know are reported in a sentence that says where they are', async () => {
  const wrong = { AWS_ACCESS_KEY_ID: 'AKIAWRONG', AWS_SECRET_ACCESS_KEY: 'wrong' };
  await expect(setUp({ AWS_REGION: 'us-east-1' }, wrong)).rejects.toThrow(
    'AWS does not accept these credentials',
  );
});

test('an account that is not bootstrapped is reported, with the command', async () => {
  const { terminal } = await setUp({ AWS_REGION: 'us-east-1', AWS_DEPLOYER: 'self' });
  const said = terminal.lines.join('\n');
  expect(said).toMatch(/bootstrapped for CDK/);
});
