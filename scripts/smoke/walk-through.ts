import { PutObjectCommand } from '@aws-sdk/client-s3';
import { DescribeInstanceInformationCommand } from '@aws-sdk/client-ssm';
import { shortHash } from '#core/names';
import { defaultPreviewConfig } from '#core/preview-config';
import { tunnelName } from '../../lambdas/providers/cloudflare/marks.ts';
import { userDataOf } from '../../lambdas/providers/ec2/host-boot.ts';
import { MAILBOX_VERSION, type MailboxSpec, type Result } from '../../lambdas/providers/ec2/mailbox.ts';
import { checkMailboxes } from './check-mailboxes.ts';
import { checkNotification } from './check-notification.ts';
import { checkPage } from './check-page.ts';
import { sampleArchive } from './sample-archive.ts';
import type { SmokeContext } from './smoke-context.ts';
import type { SmokeReport } from './smoke-report.ts';
import { deadline, seconds, until } from './until.ts';

/** A SHA of no commit: the archive is Eph's own. */
const SAMPLE_SHA = 'e'.repeat(40);

/**
 * Takes one machine from launch to switched off, one point after the other. What it makes carries the marks of
 * `context.environment`, by which `clean-up.ts` finds it, also after a run that was killed.
 *
 * @param stop Ctrl-C: ends between two requests
 */
export async function walkThrough(
  context: SmokeContext,
  report: SmokeReport,
  progress: (detail: string) => void,
  stop: AbortSignal,
): Promise<void> {
  const { deployment } = context;
  progress('making tunnel and record');
  const tunnelId = await makeTunnel(context);

  progress('launching a machine');
  const launchedAt = deployment.now();
  const instanceId = await launch(context).catch((error: Error) => {
    report.no('launch', error.message);
    return undefined;
  });
  if (!instanceId) return;
  report.yes('launch', instanceId);

  const since = () => seconds(deployment.now() - launchedAt);
  const ended = new AbortController();
  const online = ssmAgentOnline(context, instanceId, report, since, AbortSignal.any([stop, ended.signal]));
  // Awaited below; a run that ends before that does not need it.
  online.catch(() => undefined);
  try {
    await walkOn({ context, tunnelId, instanceId, online, since }, report, progress, stop);
  } finally {
    ended.abort();
    await online.catch(() => undefined);
  }
}

interface LaunchedWalk {
  context: SmokeContext;
  tunnelId: string;
  instanceId: string;
  /** Whether the SSM agent has registered. */
  online: Promise<boolean>;
  /** The time since the launch, in words. */
  since(): string;
}

async function walkOn(
  { context, tunnelId, instanceId, online, since }: LaunchedWalk,
  report: SmokeReport,
  progress: (detail: string) => void,
  stop: AbortSignal,
): Promise<void> {
  const { mailbox } = context.ports;
  const spec = await writeSpec(context, tunnelId);
  await mailbox.writeSpec(instanceId, spec(1), undefined);
  progress('waiting for its first report');
  const booted = await until(context, deadline(context, 'boot'), stop, async () => {
    const [one, other] = await Promise.all([mailbox.progress(instanceId), mailbox.result(instanceId)]);
    return one ?? other;
  });
  if (!booted) {
    report.no('boot', `nothing was in its mailbox after ${since()}`);
    await online;
    return;
  }
  report.yes('boot', `${since()} after the launch`);

  progress('waiting for the sample to be up');
  const first = await resultOf(context, instanceId, 1, stop);
  await checkNotification(context, instanceId, report, stop);
  if (first?.outcome === 'ready') await checkPage(context, tunnelId, report, stop);
  else report.no('tunnel', first?.failure?.sentence ?? 'the sample did not come up in time');
  await checkMailboxes(context, instanceId, report, stop);
  if (await online) await checkNotify(context, instanceId, spec(2), report, progress, stop);
}

async function makeTunnel({ ports, config, environment, hostname }: SmokeContext): Promise<string> {
  const { id } = await ports.tunnels.ensureTunnel(tunnelName(config.DEPLOYMENT_ID, environment, 1));
  await ports.tunnels.configure(id);
  await ports.tunnels.ensureRecord(hostname, id, environment);
  return id;
}

async function launch({ ports, config, environment, number }: SmokeContext): Promise<string> {
  const launchParameters = await ports.machines.launchParameters(1, {
    arch: 'amd64',
    instanceTypes: config.DEFAULT_INSTANCE_TYPES,
    refusals: 0,
  });
  const boot = {
    v: 1 as const,
    environment,
    attempt: 1,
    region: config.AWS_REGION,
    bucket: config.MAILBOX_BUCKET,
    hostRoleId: config.HOST_ROLE_ID,
    agentSha256: config.AGENT_SHA256,
  };
  const userData = btoa(userDataOf(boot, config.PROVISION_SHA256));
  const clientToken = `eph-smoke-${number}-${shortHash(userData)}`;
  const launched = await ports.machines.launch(
    { ...launchParameters, userData, clientToken },
    environment,
    1,
  );
  return launched.instanceId;
}

async function writeSpec(
  context: SmokeContext,
  tunnelId: string,
): Promise<(generation: number) => MailboxSpec> {
  const { deployment, config, ports, environment, hostname, number, folder } = context;
  const Key = `${folder}sample.tar.gz`;
  await deployment.aws.s3.send(
    new PutObjectCommand({ Bucket: config.MAILBOX_BUCKET, Key, Body: sampleArchive() }),
  );
  const url = await context.presign(Key);
  const tunnelToken = await ports.tunnels.token(tunnelId);
  return (generation) => ({
    v: MAILBOX_VERSION,
    generation,
    revision: 1,
    delivery: `smoke-${number}`,
    environment,
    repository: { owner: 'eph', name: 'smoke' },
    number,
    branch: 'smoke',
    source: { kind: 'archive', sha: SAMPLE_SHA, url },
    config: defaultPreviewConfig,
    hostname,
    urlTemplate: config.PREVIEW_URL_TEMPLATE,
    tunnelToken,
    secrets: {},
    trusted: true,
    idleStopSeconds: 3600,
  });
}

async function ssmAgentOnline(
  context: SmokeContext,
  instanceId: string,
  report: SmokeReport,
  since: () => string,
  stop: AbortSignal,
): Promise<boolean> {
  const filter = { Key: 'InstanceIds', Values: [instanceId] };
  const online = await until(context, deadline(context, 'boot'), stop, async () => {
    const { InstanceInformationList = [] } = await context.deployment.aws.ssm.send(
      new DescribeInstanceInformationCommand({ Filters: [filter] }),
    );
    return InstanceInformationList.find(({ PingStatus }) => PingStatus === 'Online');
  });
  if (online) report.yes('agent', `${since()} after the launch`);
  else report.no('agent', `not after ${since()}`);
  return online !== undefined;
}

function resultOf(
  context: SmokeContext,
  instanceId: string,
  generation: number,
  stop: AbortSignal,
): Promise<Result | undefined> {
  return until(context, deadline(context, 'deploy'), stop, async () => {
    const result = await context.ports.mailbox.result(instanceId);
    return result && result.generation >= generation ? result : undefined;
  });
}

/**
 * An agent that has a deployment spec reads the mailbox again only when it is notified, so a result for the second
 * one shows that the notification arrived.
 */
async function checkNotify(
  context: SmokeContext,
  instanceId: string,
  spec: MailboxSpec,
  report: SmokeReport,
  progress: (detail: string) => void,
  stop: AbortSignal,
): Promise<void> {
  progress('notifying');
  await context.ports.mailbox.writeSpec(instanceId, spec, undefined);
  const notifiedAt = context.deployment.now();
  if (!(await context.ports.notifier.notify(instanceId, spec.generation))) {
    report.no('notify', 'SSM does not know the machine');
    return;
  }
  const second = await resultOf(context, instanceId, spec.generation, stop);
  const took = seconds(context.deployment.now() - notifiedAt);
  if (second) report.yes('notify', `${second.outcome} ${took} after the notification`);
  else report.no('notify', `no result ${took} after the notification`);
}
