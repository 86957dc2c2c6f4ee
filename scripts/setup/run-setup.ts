import { constants, copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { awsClients } from '../../infra/deploy/aws-clients.ts';
import { awsHome } from '../../infra/deploy/aws-home.ts';
import { type ParameterStore, parameterStore } from '../../infra/deploy/parameter-store.ts';
import { parseDeploySettings } from '../../infra/settings/deploy-settings.ts';
import { type Environment, envFileOf, readEnvFile } from '../../infra/settings/env-file.ts';
import { refuseMisspelt } from '../../infra/settings/refuse-misspelt.ts';
import { OperatorError } from '../../infra/terminal/operator-error.ts';
import type { Terminal } from '../../infra/terminal/terminal.ts';
import { setUpAwsCredentials } from './aws-credentials.ts';
import { setUpCloudflareToken } from './cloudflare-token.ts';
import { ensureSetting } from './ensure-setting.ts';
import { setUpGithubApp } from './github-app.ts';
import { setUpSignIn } from './sign-in.ts';

/** What every part gets; each reads the settings again, since the part before may have written some. */
export interface SetupPart {
  terminal: Terminal;
  /** The settings so far: the file's and the shell's. */
  environment: Environment;
  envFile: string;
  /** The parameters of the account and region that the AWS part has chosen. */
  parameters: ParameterStore;
  /** That account and region, in the form of `awsHome`. */
  home(): Promise<string>;
}

export type Part = (setup: SetupPart) => Promise<unknown>;

/** AWS is first: the secrets of the other parts are stored there. */
const parts = {
  aws: setUpAwsCredentials,
  cloudflare: setUpCloudflareToken,
  github: setUpGithubApp,
  'sign-in': setUpSignIn,
} satisfies Record<string, Part>;
export type PartName = keyof typeof parts;

const example = join(import.meta.dirname, '../../.env.example');

/**
 * `make setup`: everything that a deploy needs to know, asked once and checked at once. A setting that is there and
 * right is printed and not asked again, so running it twice is harmless and an interrupted run continues.
 *
 * @throws OperatorError
 */
export async function runSetup(
  terminal: Terminal,
  environment: Environment,
  all: readonly Part[] = Object.values(parts),
): Promise<void> {
  const envFile = envFileOf(environment);
  await ensureSettingsFile(terminal, envFile);
  await refuseMisspelt(envFile);
  const read = () => readEnvFile(envFile, environment);

  terminal.heading('This deployment');
  await ensureSetting(terminal, envFile, await read(), {
    name: 'DEPLOYMENT_ID',
    text: 'A short name for this deployment; it marks everything that is made (a-z, 0-9, "-")',
    preset: 'main',
    check: (answer) =>
      /^[a-z]([a-z0-9-]{0,14}[a-z0-9])?$/.test(answer)
        ? undefined
        : 'It is 1 to 16 of a-z, 0-9 and "-", and starts with a letter.',
  });
  for (const part of all) await part(await given(terminal, envFile, environment));

  const settings = parseDeploySettings(await read());
  terminal.heading('Set up');
  terminal.mark('done', `${envFile} is complete. Nothing secret is in it.`);
  if (settings.REPOSITORIES.length === 0) {
    terminal.print(
      `  Previews are made for repositories with an eph.yaml. REPOSITORIES=${settings.GITHUB_OWNER}/* in ${envFile} makes them for all.`,
    );
  }
  terminal.print('\nNext:');
  terminal.print('  make doctor   looks at everything that could be in the way');
  terminal.print('  make plan     says what a deploy would change and cost');
  terminal.print('  make deploy   does it');
}

/** Runs one part of `make setup` alone. @throws OperatorError */
export async function runSetupPart(
  terminal: Terminal,
  environment: Environment,
  name: PartName,
): Promise<void> {
  const setup = await given(terminal, envFileOf(environment), environment);
  if (name !== 'aws' && !setup.environment['AWS_REGION']) {
    throw new OperatorError(`AWS_REGION is not set in ${setup.envFile}.`, 'Begin with make setup.');
  }
  await parts[name](setup);
}

async function given(terminal: Terminal, envFile: string, shell: Environment): Promise<SetupPart> {
  const environment = await readEnvFile(envFile, shell);
  const aws = awsClients(environment['AWS_REGION'] ?? 'us-east-1', environment);
  const parameters = parameterStore(aws.ssm);
  return { terminal, environment, envFile, parameters, home: () => awsHome(aws.sts) };
}

async function ensureSettingsFile(terminal: Terminal, envFile: string): Promise<void> {
  try {
    await copyFile(example, envFile, constants.COPYFILE_EXCL);
    terminal.mark('done', `${envFile} was made from .env.example.`);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EEXIST') return;
    throw new OperatorError(
      `${envFile} cannot be made here (${code}).`,
      'make setup ENV=<file> names another one.',
    );
  }
}
