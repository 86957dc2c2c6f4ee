import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { agentObjectKey } from '#core/host-boot';
import { type BuiltAgent, buildAgent } from '../host/build-agent.ts';
import { parameterNames } from '../infra/settings.ts';
import type { HostDriver } from './aws/host-driver.ts';
import { defaultImage, type LocalAws, startAws } from './aws/start-aws.ts';
import { buildProduct } from './build-product.ts';
import { type LocalCloudflare, startCloudflare } from './cloudflare/start-cloudflare.ts';
import type { RateLimitSettings } from './github/rate-limits.ts';
import { type RunningGithub, startGithub } from './github/start-github.ts';
import type { WireLog } from './wire-log.ts';
import { type RunningWorker, startWorker } from './worker/start-worker.ts';

/**
 * Everything of the platform but the machines: the vendors' stand-ins, and on them the product as a deploy
 * would leave it. Needs neither root nor Docker.
 *
 * Order of the start, each part before those that need its address:
 *   Cloudflare, GitHub -> what a deploy would upload -> AWS (from the template) -> what a deploy would put
 *   there (agent, secrets) -> Worker -> the App's webhook address
 * `close` goes the other way.
 *
 * Gotchas
 * - The host driver may be asked for nothing before the first webhook, so its machines may be made after this.
 * - Settings that a deployment gets from its template are taken from there; only addresses and ids of the
 *   stand-ins are put over them (`environmentOverrides`), since the template was made for the real ones.
 */
const ZONE = 'eph.localhost';
const SUFFIX = `-pr.${ZONE}`;
const DEPLOYMENT = 'local';

export interface ControlPlaneOptions {
  /** Holds `cache/`, which is kept, and GitHub's repositories, which are not. */
  dir: string;
  hostDriver: HostDriver;
  wireLog: WireLog;
  /** The bridge the machines are on. */
  alsoListenOn?: readonly string[];
  log(line: string): void;
  /** Lines of functions and Worker; many. */
  detail(source: string, line: string): void;
  /** Put over the functions' environment: `TERMINATE_AFTER_SECONDS` and the like. */
  settings?: Record<string, string> | undefined;
  githubLimits?: Partial<RateLimitSettings>;
}

export interface ControlPlane {
  aws: LocalAws;
  github: RunningGithub;
  cloudflare: LocalCloudflare;
  worker: RunningWorker;
  urlTemplate: string;
  close(): Promise<void>;
}

export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const { dir, wireLog, log, detail, alsoListenOn = [] } = options;
  const closers: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (const closer of closers.splice(0).toReversed())
      await closer().catch((error: unknown) => log(String(error)));
  };
  try {
    return await open();
  } catch (error) {
    await close();
    throw error;
  }

  async function open(): Promise<ControlPlane> {
    const cache = join(dir, 'cache');
    await mkdir(cache, { recursive: true });
    const cloudflare = await startCloudflare({ zone: ZONE, wireLog, alsoListenOn, previewSuffix: SUFFIX });
    closers.push(cloudflare.close);
    const github = await startGithub({
      dataDir: join(dir, 'github'),
      wireLog,
      alsoListenOn,
      ...(options.githubLimits ? { limits: options.githubLimits } : {}),
    });
    closers.push(github.close);
    const [product, agent] = await Promise.all([buildProduct(cache, log), buildAgent()]);

    const urlTemplate = `http://{host}:${cloudflare.edgePort}`;
    const aws = await startAws({
      template: product.template,
      assetRoot: product.assets,
      hostDriver: options.hostDriver,
      wireLog,
      alsoListenOn,
      log: ({ source, line }) => detail(source, line),
      environmentOverrides: {
        DEPLOYMENT_ID: DEPLOYMENT,
        REPOSITORIES: '*',
        PREVIEW_ZONE: ZONE,
        PREVIEW_ZONE_ID: cloudflare.zoneId,
        PREVIEW_SUFFIX: SUFFIX,
        PREVIEW_URL_TEMPLATE: urlTemplate,
        CLOUDFLARE_ACCOUNT_ID: cloudflare.accountId,
        CLOUDFLARE_API_URL: cloudflare.apiUrl,
        GITHUB_API_URL: github.apiUrl,
        GITHUB_APP_ID: String(github.app.id),
        ACCESS_TEAM: cloudflare.access.teamName,
        ACCESS_AUD: cloudflare.access.applicationAud,
        AGENT_SHA256: agent.sha256,
        ...options.settings,
      },
    });
    closers.push(aws.close);
    await putWhatADeployPuts(aws, github, cloudflare, agent);

    const [queue] = aws.stack.eventSources;
    const [workerUser] = aws.stack.users;
    const key = aws.credentials.user(workerUser?.name ?? '');
    const worker = await startWorker({
      bundle: product.worker,
      bindings: {
        SQS_QUEUE_URL: aws.queueUrl(queue?.queueName ?? ''),
        AWS_REGION: aws.region,
        AWS_ACCESS_KEY_ID: key.AWS_ACCESS_KEY_ID,
        AWS_SECRET_ACCESS_KEY: key.AWS_SECRET_ACCESS_KEY,
        GITHUB_WEBHOOK_SECRET: github.app.webhookSecret,
        VERSION: 'local',
      },
      log: (line) => detail('worker', line),
    });
    closers.push(worker.close);
    github.setHookUrl(`${worker.url}/webhooks/github`);
    return { aws, github, cloudflare, worker, urlTemplate, close };
  }
}

/** Agent and secrets, which the template only names. */
async function putWhatADeployPuts(
  aws: LocalAws,
  github: RunningGithub,
  cloudflare: LocalCloudflare,
  agent: BuiltAgent,
): Promise<void> {
  const root = aws.credentials.root();
  const client = {
    region: aws.region,
    endpoint: aws.url,
    credentials: { accessKeyId: root.AWS_ACCESS_KEY_ID, secretAccessKey: root.AWS_SECRET_ACCESS_KEY },
  };
  const s3 = new S3Client({ ...client, forcePathStyle: true });
  const [bucket] = aws.stack.buckets;
  await s3.send(
    new PutObjectCommand({
      Bucket: bucket?.name,
      Key: agentObjectKey(agent.sha256),
      Body: agent.code,
      ContentType: 'text/javascript',
    }),
  );
  const names = parameterNames(DEPLOYMENT);
  const ssm = new SSMClient(client);
  const put = (Name: string, Value: string, Type: 'SecureString' | 'String' = 'SecureString') =>
    ssm.send(new PutParameterCommand({ Name, Value, Type, Overwrite: true }));
  await put(names.githubAppKey, github.app.privateKey);
  await put(names.cloudflareToken, cloudflare.runtimeToken);
  await put(names.nameKey, randomBytes(32).toString('hex'));
  await put(names.image, defaultImage, 'String');
}
