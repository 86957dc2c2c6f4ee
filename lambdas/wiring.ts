import { randomBytes, randomUUID } from 'node:crypto';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { EC2Client } from '@aws-sdk/client-ec2';
import { S3Client } from '@aws-sdk/client-s3';
import { SQSClient } from '@aws-sdk/client-sqs';
import { SSMClient } from '@aws-sdk/client-ssm';
import { dynamoEnvironments } from './adapters/dynamo-environments.ts';
import { dynamoRecords } from './adapters/dynamo-records.ts';
import { dynamoTable } from './adapters/dynamo-table.ts';
import { sqsJobs } from './adapters/sqs-jobs.ts';
import { ssmOperator } from './adapters/ssm-operator.ts';
import { ssmRepositorySecrets } from './adapters/ssm-repository-secrets.ts';
import { ssmSecrets } from './adapters/ssm-secrets.ts';
import { type Config, loadConfig } from './config.ts';
import { keyedHash } from './keyed-hash.ts';
import { logLine } from './log.ts';
import { cloudflareIngress } from './providers/cloudflare/cloudflare-ingress.ts';
import { cloudflareTunnels } from './providers/cloudflare/cloudflare-tunnels.ts';
import { ec2Compute, ec2Settings } from './providers/ec2/ec2-compute.ts';
import { ec2Machines } from './providers/ec2/ec2-machines.ts';
import type { Ec2Ports } from './providers/ec2/ec2-ports.ts';
import { hostRows } from './providers/ec2/host-rows.ts';
import { hostKey } from './providers/ec2/host-writes.ts';
import { s3Mailbox } from './providers/ec2/s3-mailbox.ts';
import { ssmNotifier } from './providers/ec2/ssm-notifier.ts';
import { githubForge } from './providers/github/github-forge.ts';
import { octokitGithub } from './providers/github/octokit-github.ts';
import type { Dependencies } from './reconcile/run.ts';

let deps: Promise<Dependencies> | undefined;

/**
 * Builds the ports once per cold start and keeps them: clients hold connections and retry budgets, the App
 * holds installation tokens. A failed start is not kept, so the next invocation tries again.
 */
export function loadDependencies(): Promise<Dependencies> {
  deps ??= build(loadConfig(process.env)).catch((error: unknown) => {
    deps = undefined;
    throw error;
  });
  return deps;
}

function operatorNames(config: Config) {
  const image = { amd64: config.IMAGE_PARAMETER, arm64: config.IMAGE_ARM64_PARAMETER };
  return { paused: config.PAUSED_PARAMETER, image };
}

/** A slow vendor must leave time for the rest of the run: at most 3 tries of at most 10 seconds each. */
const calm = { maxAttempts: 3, requestHandler: { connectionTimeout: 3_000, requestTimeout: 10_000 } };

async function build(config: Config): Promise<Dependencies> {
  const clock = { now: () => Date.now(), newId: () => randomUUID() };
  const ssm = new SSMClient(calm);
  const dynamo = new DynamoDBClient(calm);
  // Path style is used only with a given endpoint: a local one has no bucket subdomains.
  const s3 = new S3Client({ ...calm, forcePathStyle: process.env['AWS_ENDPOINT_URL'] !== undefined });
  const secrets = ssmSecrets(ssm);
  const operator = ssmOperator(ssm, operatorNames(config), clock.now);
  const names = [
    config.GITHUB_APP_KEY_PARAMETER,
    config.CLOUDFLARE_TOKEN_PARAMETER,
    config.NAME_KEY_PARAMETER,
  ];
  const values = await secrets.read(names);
  const secret = (name: string) => values.get(name) ?? '';

  const tunnels = cloudflareTunnels({
    apiUrl: config.CLOUDFLARE_API_URL,
    apiToken: secret(config.CLOUDFLARE_TOKEN_PARAMETER),
    accountId: config.CLOUDFLARE_ACCOUNT_ID,
    zoneId: config.PREVIEW_ZONE_ID,
    deploymentId: config.DEPLOYMENT_ID,
    accessTeam: config.ACCESS_TEAM,
    accessAudience: config.ACCESS_AUD,
    newSecret: () => randomBytes(32).toString('base64'),
  });

  const records = dynamoRecords(dynamo, { builds: config.BUILDS_TABLE, events: config.EVENTS_TABLE }, clock);
  const ec2: Ec2Ports = {
    machines: ec2Machines(new EC2Client(calm), {
      deploymentId: config.DEPLOYMENT_ID,
      subnetIds: config.SUBNET_IDS,
      launchTemplateId: config.LAUNCH_TEMPLATE_ID,
      launchTemplateVersion: config.LAUNCH_TEMPLATE_VERSION,
      image: operator.image,
    }),
    notifier: ssmNotifier(ssm, config.RING_DOCUMENT),
    mailbox: s3Mailbox(s3, config.MAILBOX_BUCKET, config.HOST_ROLE_ID),
    hosts: hostRows(dynamoTable(dynamo, config.HOSTS_TABLE, hostKey), clock.now),
    log: logLine,
  };

  const github = githubForge({
    wire: octokitGithub({
      apiUrl: config.GITHUB_API_URL,
      appId: config.GITHUB_APP_ID,
      privateKey: secret(config.GITHUB_APP_KEY_PARAMETER),
      now: clock.now,
    }),
    deploymentId: config.DEPLOYMENT_ID,
    now: clock.now,
    log: logLine,
  });

  return {
    config,
    nameHash: keyedHash(secret(config.NAME_KEY_PARAMETER)),
    ports: {
      ...clock,
      environments: dynamoEnvironments(dynamo, config.ENVIRONMENTS_TABLE),
      records,
      compute: ec2Compute(ec2, ec2Settings(config), clock.now),
      operator,
      secrets: ssmRepositorySecrets(ssm, config.REPOSITORY_SECRETS_PATH),
      ingress: cloudflareIngress(tunnels, {
        deploymentId: config.DEPLOYMENT_ID,
        suffix: config.PREVIEW_SUFFIX,
        urlTemplate: config.PREVIEW_URL_TEMPLATE,
      }),
      // A bare key means GitHub. Another forge is added here with the prefix of its keys.
      forges: new Map([[undefined, github]]),
      jobs: sqsJobs(new SQSClient(calm), config.JOB_QUEUE_URL, config.DEAD_LETTER_QUEUE_URL),
      log: logLine,
    },
  };
}
