import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { resolvePins } from '../image/resolve-pins.ts';
import { type DeploySettings, parseDeploySettings } from '../settings/deploy-settings.ts';
import { type Environment, envFileOf, readEnvFile } from '../settings/env-file.ts';
import { refuseMisspelt } from '../settings/refuse-misspelt.ts';
import { parameterNames } from '../settings/settings.ts';
import { OperatorError } from '../terminal/operator-error.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { UsageError } from '../terminal/usage-error.ts';
import { type AwsClients, awsClients } from './aws-clients.ts';
import { awsHome } from './aws-home.ts';
import type { DeployTools } from './deploy-tools.ts';
import type { CloudflareAccess, Deployment } from './deployment.ts';
import { loadDeployTools } from './load-deploy-tools.ts';
import { once } from './once.ts';
import { type ParameterStore, parameterStore } from './parameter-store.ts';

/**
 * The deployment that the settings file (`EPH_ENV_FILE`, default `.env`) and the environment describe.
 * Connects to nothing yet.
 *
 * @throws OperatorError that lists what is wrong with the settings
 */
export async function openDeployment(
  terminal: Terminal,
  environment: Environment = process.env,
): Promise<Deployment> {
  const envFile = envFileOf(environment);
  if (environment['EPH_ENV_FILE'] && envFile !== '.env' && !existsSync(envFile)) {
    throw new UsageError(
      `There is no settings file ${envFile}.`,
      `make setup ENV=${envFile} makes it; without ENV it is .env.`,
    );
  }
  const given = await readEnvFile(envFile, environment);
  await refuseMisspelt(envFile);
  const settings = parseDeploySettings(given);
  const aws = awsClients(settings.AWS_REGION, given);
  const parameters = parameterStore(aws.ssm);
  const names = parameterNames(settings.DEPLOYMENT_ID);
  return {
    settings,
    envFile,
    aws,
    home: once(() => awsHome(aws.sts)),
    parameters,
    names,
    cloudflare: cloudflareAccess(settings, given, parameters, names.cloudflareDeployToken),
    tools: await deployTools(settings, given, aws, { parameters, names }),
    terminal,
    now: Date.now,
    randomBytes: (count) => randomBytes(count),
    found: {},
  };
}

function cloudflareAccess(
  settings: DeploySettings,
  environment: Environment,
  parameters: ParameterStore,
  parameter: string,
): CloudflareAccess {
  // The token is kept for the whole command: make destroy still lists what is left after it has removed the
  // parameter.
  let known = environment['CLOUDFLARE_API_TOKEN'];
  return {
    apiUrl: settings.CLOUDFLARE_API_URL,
    accountId: settings.CLOUDFLARE_ACCOUNT_ID,
    zoneId: settings.PREVIEW_ZONE_ID,
    async token() {
      known ??= await parameters.read(parameter);
      if (known) return known;
      throw new OperatorError(
        `There is no Cloudflare token for deploying, neither in CLOUDFLARE_API_TOKEN nor in the parameter ${parameter}.`,
        'make setup makes one with you, checks it and keeps it encrypted in Parameter Store.',
      );
    },
  };
}

/** The real tools are loaded late, because they load CDK, wrangler and Packer. */
async function deployTools(
  settings: DeploySettings,
  environment: Environment,
  aws: AwsClients,
  kept: Pick<Deployment, 'parameters' | 'names'>,
): Promise<DeployTools> {
  const standIn = environment['DEPLOY_TOOLS'];
  if (standIn) return loadDeployTools(standIn, environment);
  const { cdkStack } = await import('./cdk-stack.ts');
  const { packerImage } = await import('./packer-image.ts');
  const { wranglerWorker } = await import('./wrangler-worker.ts');
  return {
    stack: cdkStack(settings, environment, aws),
    image: packerImage(environment, (progress) => resolvePins(kept, progress)),
    worker: wranglerWorker(settings, environment),
  };
}
