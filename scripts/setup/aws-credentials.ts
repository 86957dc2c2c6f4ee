import { appendFile, mkdir, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { DescribeStacksCommand } from '@aws-sdk/client-cloudformation';
import {
  CreateRoleCommand,
  GetRoleCommand,
  type IAMClient,
  PutRolePolicyCommand,
  UpdateAssumeRolePolicyCommand,
} from '@aws-sdk/client-iam';
import { DescribeParametersCommand } from '@aws-sdk/client-ssm';
import { GetCallerIdentityCommand } from '@aws-sdk/client-sts';
import { awsClients } from '../../infra/deploy/aws-clients.ts';
import { deployerPolicy } from '../../infra/deploy/deployer-policy.ts';
import { untilAccepted } from '../../infra/deploy/until-accepted.ts';
import { type Environment, writeSetting } from '../../infra/settings/env-file.ts';
import { OperatorError } from '../../infra/terminal/operator-error.ts';
import type { Terminal } from '../../infra/terminal/terminal.ts';
import { deployerTrust, ensureGithubProvider } from './deployer-trust.ts';
import { ensureSetting } from './ensure-setting.ts';
import { requireDeploymentId } from './require-deployment-id.ts';

export interface AwsCredentialsSetup {
  terminal: Terminal;
  /** The settings so far: the file's and the shell's. */
  environment: Environment;
  envFile: string;
  /** `~/.aws/config`; another one in tests. */
  awsConfigFile?: string;
}

export interface Identity {
  account: string;
  arn: string;
  partition: string;
}

/**
 * Finds out who deploys. The present identity (profile, SSO, environment) is checked and, if wanted, makes a role for
 * deploying: `eph-<id>-deployer` with the least rights (`deployer-policy.ts`), which it then assumes through a
 * profile of its own in ~/.aws/config. No access key is made.
 */
export async function setUpAwsCredentials(setup: AwsCredentialsSetup): Promise<Identity> {
  const { terminal, envFile } = setup;
  terminal.heading('AWS');
  const region = await ensureSetting(terminal, envFile, setup.environment, {
    name: 'AWS_REGION',
    text: 'AWS region of this deployment',
    preset: 'us-east-1',
    check: (answer) =>
      /^[a-z]{2}(-[a-z]+)+-\d$/.test(answer) ? undefined : 'A region looks like eu-central-1.',
  });
  const identity = await whoDeploys(setup.environment, region);
  if (identity.arn.endsWith(':root')) {
    throw new OperatorError(
      `These are the credentials of the root user of account ${identity.account}, which nothing should use.`,
      'Sign in as somebody else: aws configure sso, then AWS_PROFILE=<name> make setup.',
    );
  }
  terminal.mark('done', `Account ${identity.account}, as ${identity.arn.split(':').at(-1)}`);
  const deploymentId = requireDeploymentId(setup.environment);
  const wanted = setup.environment['AWS_DEPLOYER'] ?? (await chooseDeployer(terminal, deploymentId));
  await writeSetting(envFile, 'AWS_DEPLOYER', wanted);
  if (wanted === 'role') await ensureDeployerRole(setup, identity, region, deploymentId);
  await printBootstrap(setup, region, identity);
  return identity;
}

function chooseDeployer(terminal: Terminal, deploymentId: string): Promise<string> {
  return terminal.choose('Who runs `make deploy` from here on?', 'AWS_DEPLOYER', [
    { label: 'This identity, as it is', name: 'self', value: 'self' },
    {
      label: `A role with the least rights that work (eph-${deploymentId}-deployer), which this identity assumes`,
      name: 'role',
      value: 'role',
    },
  ]);
}

/** @throws OperatorError for credentials that are missing, expired or wrong */
async function whoDeploys(environment: Environment, region: string): Promise<Identity> {
  const { Account = '', Arn = '' } = await awsClients(region, environment).sts.send(
    new GetCallerIdentityCommand({}),
  );
  return { account: Account, arn: Arn, partition: Arn.split(':')[1] ?? 'aws' };
}

async function ensureDeployerRole(
  { terminal, environment, envFile, awsConfigFile }: AwsCredentialsSetup,
  identity: Identity,
  region: string,
  deploymentId: string,
): Promise<void> {
  const roleName = `eph-${deploymentId}-deployer`;
  if (identity.arn.includes(`/${roleName}/`)) {
    terminal.mark(
      'done',
      `Already ${roleName}. After an upgrade it gets its rights from whoever made it: AWS_PROFILE=<administrator> make setup`,
    );
    return;
  }
  if (environment['AWS_ACCESS_KEY_ID']) {
    throw new OperatorError(
      'AWS_ACCESS_KEY_ID is set in this shell, and would win over the profile that assumes the role.',
      'Put these keys into a profile (aws configure --profile administrator), unset them, and run AWS_PROFILE=administrator make setup; or choose AWS_DEPLOYER=self.',
    );
  }
  const { iam } = awsClients(region, environment);
  const roleArn = await ensureRole(iam, roleName, identity, environment);
  await trustActions(iam, roleName, roleArn, { terminal, environment, identity });
  const policy = deployerPolicy({
    ...identity,
    region,
    deploymentId,
    bakesImages: environment['HOST_IMAGE'] !== 'stock',
  });
  await iam.send(
    new PutRolePolicyCommand({
      RoleName: roleName,
      PolicyName: 'deploy-eph',
      PolicyDocument: JSON.stringify(policy),
    }),
  );
  terminal.mark('done', `Role ${roleName} with ${policy.Statement.length} statements`);

  const file = awsConfigFile ?? environment['AWS_CONFIG_FILE'] ?? join(homedir(), '.aws/config');
  const profile = `eph-${deploymentId}`;
  const source = environment['AWS_PROFILE'] ?? 'default';
  const section = `[profile ${profile}]\nrole_arn = ${roleArn}\nsource_profile = ${source}\nregion = ${region}\n`;
  const there = await readFile(file, 'utf8').catch(() => '');
  if (there.includes(`[profile ${profile}]`)) {
    refuseOtherRole(there, profile, roleArn, file);
  } else {
    terminal.print(`\n${section}`);
    if (!(await terminal.confirm(`Add this profile to ${file}?`, true))) {
      throw new OperatorError(
        `The role is made, but no profile assumes it.`,
        `Add the lines above to ${file}, set AWS_PROFILE=${profile} in ${envFile}, and run make setup again.`,
      );
    }
    await mkdir(dirname(file), { recursive: true });
    await appendFile(file, `\n${section}`, { mode: 0o600 });
  }
  await terminal.during('Waiting until IAM knows the role everywhere', () =>
    untilItWorks({ ...environment, AWS_PROFILE: profile }, region, roleArn),
  );
  await writeSetting(envFile, 'AWS_PROFILE', profile);
  terminal.mark('done', `AWS_PROFILE=${profile} in ${envFile}`);
}

/** Two accounts may each have a deployment of this name; the profile of the other one leads into that account. */
function refuseOtherRole(config: string, profile: string, roleArn: string, file: string): void {
  const [, section = ''] = config.split(`[profile ${profile}]`);
  const assumes = /^\s*role_arn\s*=\s*(\S+)/m.exec(section.split(/^\[/m)[0] ?? '')?.[1];
  if (assumes === roleArn) return;
  throw new OperatorError(
    `Profile ${profile} in ${file} is another one: it assumes ${assumes ?? 'no role'}, not ${roleArn}.`,
    'Give this deployment another DEPLOYMENT_ID, or rename that profile (and AWS_PROFILE in the settings that use it).',
  );
}

/** A new role cannot be assumed for some seconds, and gets its rights a little later still. */
function untilItWorks(environment: Environment, region: string, roleArn: string): Promise<void> {
  return untilAccepted(
    () => awsClients(region, environment).ssm.send(new DescribeParametersCommand({ MaxResults: 1 })),
    Date.now,
    (seconds, cause) =>
      new OperatorError(
        `${roleArn} cannot be assumed ${seconds} seconds after it was made: ${cause instanceof Error ? cause.message : cause}`,
        'Whoever runs make setup needs the right sts:AssumeRole on it. Then run it again.',
        { cause },
      ),
  );
}

async function ensureRole(
  iam: IAMClient,
  RoleName: string,
  { account, partition }: Identity,
  environment: Environment,
): Promise<string> {
  const deploymentId = requireDeploymentId(environment);
  const { IAM_PATH, PERMISSIONS_BOUNDARY: boundary } = environment;
  try {
    const { Role } = await iam.send(new GetRoleCommand({ RoleName }));
    return Role?.Arn ?? '';
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'NoSuchEntityException') throw error;
  }
  const trust = deployerTrust({ account, partition }, undefined);
  const { Role } = await iam.send(
    new CreateRoleCommand({
      RoleName,
      AssumeRolePolicyDocument: JSON.stringify(trust),
      Description: `Deploys Eph (${deploymentId})`,
      MaxSessionDuration: 3600 * 4,
      ...(IAM_PATH && { Path: IAM_PATH }),
      ...(boundary && {
        PermissionsBoundary: boundary.startsWith('arn:')
          ? boundary
          : `arn:${partition}:iam::${account}:policy/${boundary}`,
      }),
      Tags: [{ Key: 'eph:deployment', Value: deploymentId }],
    }),
  );
  return Role?.Arn ?? '';
}

/** Lets GitHub Actions of the named repository deploy; if none is named, the trust policy stays as it is. */
async function trustActions(
  iam: IAMClient,
  RoleName: string,
  roleArn: string,
  {
    terminal,
    environment,
    identity,
  }: Pick<AwsCredentialsSetup, 'terminal' | 'environment'> & { identity: Identity },
): Promise<void> {
  const repository = environment['DEPLOY_REPOSITORY'];
  if (!repository) return;
  if (!/^[\w.-]+\/[\w.-]+$/.test(repository)) {
    throw new OperatorError(
      `DEPLOY_REPOSITORY is "${repository}", and no repository.`,
      'It looks like acme/eph.',
    );
  }
  await ensureGithubProvider(iam);
  const PolicyDocument = JSON.stringify(deployerTrust(identity, repository));
  await iam.send(new UpdateAssumeRolePolicyCommand({ RoleName, PolicyDocument }));
  terminal.mark('done', `${RoleName} trusts jobs of the environment "production" of ${repository}`);
  terminal.print(`  gh variable set AWS_ROLE_ARN --env production --repo ${repository} --body ${roleArn}`);
}

/** CDK's own roles are made once per account and region, by a person who may make roles. */
async function printBootstrap(
  { terminal, environment }: AwsCredentialsSetup,
  region: string,
  { account }: Identity,
): Promise<void> {
  try {
    await awsClients(region, environment).cloudformation.send(
      new DescribeStacksCommand({ StackName: 'CDKToolkit' }),
    );
    terminal.mark('done', 'The account is bootstrapped for CDK');
  } catch (error) {
    if (!(error instanceof Error) || !/does not exist/.test(error.message)) throw error;
    terminal.mark(
      'warning',
      `Account ${account} is not bootstrapped for CDK in ${region}; make deploy does it if it may.`,
      `An administrator, once: npx cdk bootstrap aws://${account}/${region}`,
    );
  }
}
