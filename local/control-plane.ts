import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { workerName } from '../infra/cloudflare/access-names.ts';
import { applySteps } from '../infra/deploy/apply-steps.ts';
import { deploySteps } from '../infra/deploy/deploy-steps.ts';
import { deployerPolicy } from '../infra/deploy/deployer-policy.ts';
import type { Deployment } from '../infra/deploy/deployment.ts';
import { openDeployment } from '../infra/deploy/open-deployment.ts';
import type { Terminal } from '../infra/terminal/terminal.ts';
import type { HostDriver } from './aws/host-driver.ts';
import type { NewImage } from './aws/images.ts';
import { type LocalAws, startAws } from './aws/start-aws.ts';
import { bundleWorker } from './build-product.ts';
import { type LocalCloudflare, startCloudflare } from './cloudflare/start-cloudflare.ts';
import type { RateLimitSettings } from './github/rate-limits.ts';
import { type RunningGithub, startGithub } from './github/start-github.ts';
import { openPlatformControl, type PlatformControl } from './platform-control.ts';
import { quietTerminal } from './quiet-terminal.ts';
import { synthesiseStack } from './synthesise-stack.ts';
import type { WireLog } from './wire-log.ts';
import { openWorkerSlot, type WorkerSlot } from './worker/worker-slot.ts';

/**
 * Everything of the platform except the machines: the vendors' stand-ins with accounts as they are before a first
 * deploy, and the product, deployed to them by the steps of `make deploy`. Needs neither root nor Docker.
 *
 * Order of the start, each part before those that need its address:
 *   Cloudflare, GitHub, AWS (empty), a place for the Worker, the control server -> what make setup leaves
 *   (secrets) -> the steps of a deploy
 * `close` uses the reverse order.
 *
 * Gotchas
 * - The host driver is not called before the first webhook, so its machines may be made after this.
 * - `environment` contains all settings of a deploy: written to a file it is `.local/platform.env`, with which the
 *   operator's commands work on the running platform.
 */
const ZONE = 'eph.localhost';
const SUFFIX = `-pr.${ZONE}`;
const DEPLOYMENT = 'local';
const SCRIPT = workerName(DEPLOYMENT);

export interface ControlPlaneOptions {
  /** The folder for GitHub's repositories, which are not kept, and for `cache/`, unless `cache` is set. */
  dir: string;
  /** The folder that keeps builds; `<dir>/cache` by default. */
  cache?: string;
  hostDriver: HostDriver;
  wireLog: WireLog;
  /** The address of the bridge that the machines are on. */
  alsoListenOn?: readonly string[];
  log(line: string): void;
  /** Called with each line of functions, Worker and deploy steps; there are many. */
  detail(source: string, line: string): void;
  /** Values that override the settings: `TERMINATE_AFTER_SECONDS` and others. */
  settings?: Record<string, string> | undefined;
  githubLimits?: Partial<RateLimitSettings>;
  /** Leaves the accounts without a deployment, for a test of the deploy itself. */
  empty?: boolean;
}

export interface ControlPlane {
  aws: LocalAws;
  github: RunningGithub;
  cloudflare: LocalCloudflare;
  worker: WorkerSlot;
  control: PlatformControl;
  urlTemplate: string;
  /** The settings of the deployment, as `make deploy` reads them. */
  environment: Record<string, string>;
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
    const { cache = join(dir, 'cache') } = options;
    await mkdir(cache, { recursive: true });
    const worker = await openWorkerSlot({
      log: (line) => detail('worker', line),
      // The upload comes long after this line.
      outbound: () => cloudflare.outboundHost,
    });
    closers.push(worker.close);
    const cloudflare = await startCloudflare({
      zone: ZONE,
      wireLog,
      alsoListenOn,
      previewSuffix: SUFFIX,
      deploymentId: DEPLOYMENT,
      empty: true,
      workers: { scripts: [], url: () => worker.url },
    });
    closers.push(cloudflare.close);
    const github = await startGithub({
      dataDir: join(dir, 'github'),
      publicZone: ZONE,
      wireLog,
      alsoListenOn,
      ...(options.githubLimits ? { limits: options.githubLimits } : {}),
    });
    closers.push(github.close);
    const aws = await startAws({
      hostDriver: options.hostDriver,
      wireLog,
      alsoListenOn,
      log: ({ source, line }) => detail(source, line),
    });
    closers.push(aws.close);
    const control = await openPlatformControl();
    closers.push(async () => control.close());
    answerDeployTools(control, aws, worker, cloudflare);

    const urlTemplate = `http://{host}:${cloudflare.edgePort}`;
    // The deployer gets the rights that `make setup` gives, so that a missing one fails here.
    const scope = { partition: 'aws', account: aws.accountId, region: aws.region, deploymentId: DEPLOYMENT };
    const policy = deployerPolicy({ ...scope, bakesImages: true });
    const operator = aws.credentials.operator(`eph-${DEPLOYMENT}-deployer`, policy);
    const environment = {
      DEPLOY_TOOLS: join(import.meta.dirname, 'deploy-tools.ts'),
      LOCAL_PLATFORM: control.url,
      LOCAL_WORKER: worker.url,
      LOCAL_CACHE: cache,
      AWS_REGION: aws.region,
      AWS_ENDPOINT_URL: aws.url,
      LOCAL_AWS_FOR_HOSTS: aws.url.replace('127.0.0.1', alsoListenOn[0] ?? '127.0.0.1'),
      AWS_ACCESS_KEY_ID: operator.AWS_ACCESS_KEY_ID,
      AWS_SECRET_ACCESS_KEY: operator.AWS_SECRET_ACCESS_KEY,
      CLOUDFLARE_API_TOKEN: cloudflare.apiToken,
      DEPLOYMENT_ID: DEPLOYMENT,
      REPOSITORIES: '*',
      PREVIEW_ZONE: ZONE,
      PREVIEW_ZONE_ID: cloudflare.zoneId,
      PREVIEW_SUFFIX: SUFFIX,
      PREVIEW_URL_TEMPLATE: urlTemplate,
      CLOUDFLARE_ACCOUNT_ID: cloudflare.accountId,
      CLOUDFLARE_API_URL: cloudflare.apiUrl,
      ACCESS_TEAM: cloudflare.access.teamName,
      ACCESS_ALLOW: cloudflare.access.login.email,
      GITHUB_URL: github.url,
      GITHUB_API_URL: github.apiUrl,
      GITHUB_OWNER: github.github.state.app.owner.login,
      GITHUB_APP_ID: String(github.app.id),
      GITHUB_APP_SLUG: github.app.slug,
      ...options.settings,
    };
    const plane = { aws, github, cloudflare, worker, control, urlTemplate, environment, close };
    // Both need seconds the first time, and the steps need them one after the other.
    const given = { ...environment, ACCESS_AUD: '0'.repeat(64), AGENT_SHA256: '0'.repeat(64) };
    await Promise.all([synthesiseStack(cache, given, log), bundleWorker(cache, log)]);
    if (!options.empty)
      await deployTo(
        plane,
        quietTerminal((line) => detail('deploy', line)),
      );
    return plane;
  }
}

type Accounts = Pick<ControlPlane, 'environment' | 'github' | 'cloudflare'>;

/** The deployment on this platform, opened as the operator's commands open it. */
export function openLocalDeployment({ environment }: Pick<ControlPlane, 'environment'>, terminal: Terminal) {
  // The settings file of the checkout, if there is one, must not be read.
  return openDeployment(terminal, { ...environment, EPH_ENV_FILE: '/dev/null' });
}

/** Puts the accounts into the state after `make setup`. */
export async function setUp(
  { github, cloudflare }: Accounts,
  { parameters, names }: Deployment,
): Promise<void> {
  await Promise.all([
    parameters.writeSecret(names.githubAppKey, github.app.privateKey),
    parameters.writeSecret(names.webhookSecret, github.app.webhookSecret),
    parameters.writeSecret(names.cloudflareToken, cloudflare.runtimeToken),
    parameters.writeSecret(names.cloudflareDeployToken, cloudflare.apiToken),
  ]);
}

async function deployTo(plane: Accounts, terminal: Terminal): Promise<void> {
  const deployment = await openLocalDeployment(plane, terminal);
  await setUp(plane, deployment);
  await applySteps(deployment, deploySteps(deployment));
}

/** Answers the requests of `deploy-tools.ts`. */
function answerDeployTools(
  control: PlatformControl,
  aws: LocalAws,
  worker: WorkerSlot,
  cloudflare: LocalCloudflare,
): void {
  const stack = () => {
    const template = aws.deployedTemplate();
    return template === undefined ? undefined : { template, outputs: aws.stack.outputs };
  };
  control.on('GET /stack', stack);
  control.on('POST /stack', async (body) => {
    const { template, assets } = body as { template: unknown; assets: string };
    await aws.deployStack(template, assets);
    return stack();
  });
  control.on('DELETE /stack', async () => {
    await aws.deleteStack();
    return {};
  });
  control.on('POST /images', (body) => aws.images.register(body as NewImage));
  control.on('GET /worker', async () => {
    // It was deleted through Cloudflare's API, which knows names only.
    if (!cloudflare.cloudflare.hasScript(SCRIPT)) await worker.remove();
    return worker.installed();
  });
  control.on('POST /worker', async (body) => {
    const { name, ...upload } = body as { name: string } & Parameters<WorkerSlot['upload']>[0];
    await worker.upload(upload);
    cloudflare.cloudflare.uploadScript(name);
    return {};
  });
}
