import { GetFunctionConfigurationCommand } from '@aws-sdk/client-lambda';
import { AwsClient } from 'aws4fetch';
import { environmentKey } from '#core/environment-key';
import type { Deployment } from '../../infra/deploy/deployment.ts';
import { requireOutputs } from '../../infra/deploy/require-outputs.ts';
import type { Environment } from '../../infra/settings/env-file.ts';
import { OperatorError } from '../../infra/terminal/operator-error.ts';
import { type Config, loadConfig } from '../../lambdas/config.ts';
import { cloudflareTunnels } from '../../lambdas/providers/cloudflare/cloudflare-tunnels.ts';
import type { Tunnels } from '../../lambdas/providers/cloudflare/tunnels.ts';
import { ec2Machines } from '../../lambdas/providers/ec2/ec2-machines.ts';
import type { Ec2Ports } from '../../lambdas/providers/ec2/ec2-ports.ts';
import { s3Mailbox } from '../../lambdas/providers/ec2/s3-mailbox.ts';
import { ssmNotifier } from '../../lambdas/providers/ec2/ssm-notifier.ts';

/** What the smoke check works with: the adapters of the control plane, with the operator's rights. */
export interface SmokeContext {
  deployment: Deployment;
  config: Config;
  ports: Pick<Ec2Ports, 'machines' | 'notifier' | 'mailbox'> & { tunnels: Tunnels };
  /** `0#<number>`: no repository has the id 0, so no pull request is ever taken for it. */
  environment: string;
  number: number;
  hostname: string;
  /** The folder for objects of the smoke check beside the mailbox. */
  folder: string;
  logGroup: string | undefined;
  /** Whether the smoke check runs on stand-ins. */
  local: boolean;
  /** A temporary address that a machine can fetch an object of the bucket from. */
  presign(key: string): Promise<string>;
  deadlines: SmokeDeadlines;
  sleep(ms: number): Promise<void>;
}

/** All values are milliseconds. */
export interface SmokeDeadlines {
  boot: number;
  deploy: number;
  other: number;
}

export interface SmokeOptions {
  environment: Environment;
  deadlines?: SmokeDeadlines;
  sleep?: (ms: number) => Promise<void>;
  /** A signal that stops the check, besides Ctrl-C. */
  stop?: AbortSignal;
}

const minute = 60_000;
const patient: SmokeDeadlines = { boot: 12 * minute, deploy: 15 * minute, other: 4 * minute };

/** @throws OperatorError where nothing is deployed */
export async function openSmokeContext(deployment: Deployment, options: SmokeOptions): Promise<SmokeContext> {
  const { aws, settings, parameters, names, cloudflare } = deployment;
  const outputs = await requireOutputs(deployment);
  const FunctionName = outputs['DeployerFunctionName'];
  if (!FunctionName) {
    throw new OperatorError('What is deployed is older than this checkout.', 'make deploy, then make smoke.');
  }
  const deployed = await aws.lambda.send(new GetFunctionConfigurationCommand({ FunctionName }));
  const config = loadConfig({ ...deployed.Environment?.Variables, AWS_REGION: settings.AWS_REGION });
  const number = deployment.now();
  return {
    deployment,
    config,
    ports: {
      machines: ec2Machines(aws.ec2, {
        deploymentId: config.DEPLOYMENT_ID,
        subnetIds: config.SUBNET_IDS,
        launchTemplateId: config.LAUNCH_TEMPLATE_ID,
        launchTemplateVersion: config.LAUNCH_TEMPLATE_VERSION,
        image: () => parameters.read(names.image),
      }),
      notifier: ssmNotifier(aws.ssm, config.RING_DOCUMENT),
      mailbox: s3Mailbox(aws.s3, config.MAILBOX_BUCKET, config.HOST_ROLE_ID),
      tunnels: cloudflareTunnels({
        apiUrl: cloudflare.apiUrl,
        apiToken: await cloudflare.token(),
        accountId: cloudflare.accountId,
        zoneId: cloudflare.zoneId,
        deploymentId: config.DEPLOYMENT_ID,
        accessTeam: config.ACCESS_TEAM,
        accessAudience: config.ACCESS_AUD,
        newSecret: () => Buffer.from(deployment.randomBytes(32)).toString('base64'),
      }),
    },
    environment: environmentKey(0, number),
    number,
    hostname: `smoke-${Buffer.from(deployment.randomBytes(5)).toString('hex')}${settings.PREVIEW_SUFFIX}`,
    folder: `smoke/${number}/`,
    logGroup: outputs['DeployerLogGroup'],
    local: options.environment['LOCAL_PLATFORM'] !== undefined,
    presign: (key) => presigned(deployment, config, key, options.environment),
    deadlines: options.deadlines ?? patient,
    sleep: options.sleep ?? ((ms) => new Promise((resolve) => setTimeout(resolve, ms))),
  };
}

const AN_HOUR = '3600';

async function presigned(
  { aws, settings }: Deployment,
  { MAILBOX_BUCKET }: Config,
  key: string,
  environment: Environment,
): Promise<string> {
  const { accessKeyId, secretAccessKey, sessionToken } = await aws.s3.config.credentials();
  // Machines of the local platform reach it at another address than this process.
  const endpoint = environment['LOCAL_AWS_FOR_HOSTS'] ?? environment['AWS_ENDPOINT_URL'];
  const base = endpoint
    ? `${endpoint}/${MAILBOX_BUCKET}`
    : `https://${MAILBOX_BUCKET}.s3.${settings.AWS_REGION}.amazonaws.com`;
  const signer = new AwsClient({
    accessKeyId,
    secretAccessKey,
    ...(sessionToken && { sessionToken }),
    service: 's3',
    region: settings.AWS_REGION,
  });
  const signed = await signer.sign(`${base}/${key}?X-Amz-Expires=${AN_HOUR}`, { aws: { signQuery: true } });
  return signed.url;
}
