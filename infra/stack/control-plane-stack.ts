import { CfnOutput, Duration, Fn, Stack, Tags } from 'aws-cdk-lib';
import { Rule, RuleTargetInput, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets';
import { RecursiveLoop } from 'aws-cdk-lib/aws-lambda';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import type { Construct } from 'constructs';
import { tags } from '#core/names';
import { functionSettings } from '#settings/function-settings';
import { parameterNames, type Settings } from '../settings/settings.ts';
import { AlarmTopic } from './alarm-topic.ts';
import { Alarms } from './alarms.ts';
import { ControlPlaneFunction } from './control-plane-function.ts';
import { type ControlPlaneResources, grantCleanup, grantDeployer } from './control-plane-grants.ts';
import { HostNetwork } from './host-network.ts';
import { HostRole } from './host-role.ts';
import { HostTemplate } from './host-template.ts';
import { followIamConventions } from './iam-conventions.ts';
import { JobQueue } from './job-queue.ts';
import { MachineEvents } from './machine-events.ts';
import { MailboxBucket } from './mailbox-bucket.ts';
import { MonthlyBudget } from './monthly-budget.ts';
import { NotifyDocument } from './notify-document.ts';
import { Tables } from './tables.ts';
import { WebhookIngress } from './webhook-ingress.ts';
import { WorkerUser } from './worker-user.ts';

/** Everything of Eph that is in AWS, in the order in which a webhook meets it. */
export class ControlPlaneStack extends Stack {
  constructor(scope: Construct, id: string, settings: Settings) {
    super(scope, id, { description: 'Eph: a running copy of the application for every pull request' });
    const deploymentId = settings.DEPLOYMENT_ID;
    const parameters = parameterNames(deploymentId);

    const jobQueue = new JobQueue(this, 'JobQueue');
    const ingress = this.makeIngress(settings, jobQueue);
    const tables = new Tables(this, 'Tables');
    const mailbox = new MailboxBucket(this, 'Mailbox', { deploymentId, queue: jobQueue.queue });
    new MachineEvents(this, 'MachineEvents', { queue: jobQueue.queue });
    const network = new HostNetwork(this, 'Network', {
      existing:
        settings.VPC_ID && settings.SUBNET_IDS
          ? { vpcId: settings.VPC_ID, subnetIds: settings.SUBNET_IDS }
          : undefined,
      zones: settings.ZONES,
      blockPublicAccessExclusion: settings.BLOCK_PUBLIC_ACCESS_EXCLUSION,
    });
    const hostRole = new HostRole(this, 'Host', { bucket: mailbox.bucket });
    const hostTemplate = new HostTemplate(this, 'HostTemplate', {
      role: hostRole.role,
      securityGroupId: network.securityGroupId,
      volumeGb: settings.VOLUME_GB,
      deploymentId,
      tags: settings.TAGS ?? {},
    });
    const notifyDocument = new NotifyDocument(this, 'Ring');
    const resources: ControlPlaneResources = {
      deploymentId,
      jobQueue,
      tables,
      mailbox,
      network,
      hostRole,
      hostTemplate,
      notifyDocument,
      parameters,
    };
    const environment = { ...resourceEnvironment(resources), ...settingsEnvironment(settings) };
    const deployer = this.makeDeployer(resources, environment, settings.DEPLOYER_CONCURRENCY);
    const cleanup = this.makeCleanup(resources, environment);
    this.makeWatch(settings, jobQueue, deployer, cleanup);

    for (const [key, value] of Object.entries(settings.TAGS ?? {})) Tags.of(this).add(key, value);
    Tags.of(this).add(tags.deployment, deploymentId);
    followIamConventions(this, { boundary: settings.PERMISSIONS_BOUNDARY, path: settings.IAM_PATH });

    const outputs: Record<string, string> = {
      JobQueueUrl: jobQueue.queue.queueUrl,
      DeadLetterQueueUrl: jobQueue.deadLetters.queueUrl,
      MailboxBucketName: mailbox.bucket.bucketName,
      DeployerFunctionName: deployer.function.functionName,
      CleanupFunctionName: cleanup.function.functionName,
      DeployerLogGroup: deployer.logGroup.logGroupName,
      CleanupLogGroup: cleanup.logGroup.logGroupName,
      EnvironmentsTable: tables.environments.tableName,
      BuildsTable: tables.builds.tableName,
      HostsTable: tables.hosts.tableName,
      EventsTable: tables.events.tableName,
      HostSubnetIds: network.subnetIds.join(','),
      HostSecurityGroupId: network.securityGroupId,
      LaunchTemplateId: hostTemplate.templateId,
      HostRoleName: hostRole.role.roleName,
      RingDocumentName: notifyDocument.name,
      ...ingress,
    };
    for (const [name, value] of Object.entries(outputs)) new CfnOutput(this, name, { value });
  }

  /**
   * Without an account CDK assumes two zones. These are the zones that the region gives first to the account at
   * deploy time; `HostNetwork` takes as many as ZONES says.
   */
  override get availabilityZones(): string[] {
    return Array.from({ length: 6 }, (_, index) => Fn.select(index, Fn.getAzs()));
  }

  /** @returns the outputs that give the Worker its ingress, and `make logs` the ingress's log */
  private makeIngress(settings: Settings, jobQueue: JobQueue): Record<string, string> {
    switch (settings.INGRESS) {
      case 'worker-key': {
        const { user } = new WorkerUser(this, 'Worker', { queue: jobQueue.queue });
        return { WorkerUserName: user.userName };
      }
      case 'function-url': {
        const parameters = parameterNames(settings.DEPLOYMENT_ID);
        const { url, logGroup } = new WebhookIngress(this, 'Webhook', { jobQueue, parameters });
        return { IngressUrl: url, IngressLogGroup: logGroup.logGroupName };
      }
    }
  }

  private makeDeployer(
    resources: ControlPlaneResources,
    environment: Record<string, string>,
    maxConcurrency: number,
  ): ControlPlaneFunction {
    const deployer = new ControlPlaneFunction(this, 'Deployer', {
      handler: 'on-job.ts',
      description: 'Eph: takes one job and moves one environment a step on',
      environment,
      // Its timers are delayed messages to its own queue. Lambda would end such a chain after about 16 of them
      // and write to the account's owner about it: https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
      // What bounds them is MAX_TIMERS_IN_A_ROW of the reconciler.
      recursiveLoop: RecursiveLoop.ALLOW,
    });
    grantDeployer(deployer.role, resources);
    deployer.function.addEventSource(
      new SqsEventSource(resources.jobQueue.queue, {
        batchSize: 1,
        reportBatchItemFailures: true,
        maxConcurrency,
      }),
    );
    return deployer;
  }

  private makeCleanup(
    resources: ControlPlaneResources,
    environment: Record<string, string>,
  ): ControlPlaneFunction {
    const cleanup = new ControlPlaneFunction(this, 'Cleanup', {
      handler: 'on-schedule.ts',
      description: 'Eph: wakes what is due, compares what exists with what should, reads dead letters',
      environment,
    });
    grantCleanup(cleanup.role, resources);
    const cleanUp = (id: string, task: string, every: Duration) =>
      new Rule(this, id, {
        schedule: Schedule.rate(every),
        targets: [new LambdaFunction(cleanup.function, { event: RuleTargetInput.fromObject({ task }) })],
      });
    cleanUp('WakeDue', 'due', Duration.minutes(15));
    cleanUp('Compare', 'compare', Duration.hours(1));
    return cleanup;
  }

  private makeWatch(
    { DEPLOYMENT_ID: deploymentId, ALARM_EMAIL: email, MONTHLY_BUDGET_USD: usd }: Settings,
    jobQueue: JobQueue,
    deployer: ControlPlaneFunction,
    cleanup: ControlPlaneFunction,
  ): void {
    const topic = email ? new AlarmTopic(this, 'AlarmMail', { email }).topic : undefined;
    new Alarms(this, 'Alarms', { deploymentId, jobQueue, deployer, cleanup, topic });
    if (email && usd) new MonthlyBudget(this, 'Month', { deploymentId, usd, email });
  }
}

function resourceEnvironment(resources: ControlPlaneResources): Record<string, string> {
  const { jobQueue, tables, mailbox, network, hostRole, hostTemplate, notifyDocument, parameters } =
    resources;
  return {
    ENVIRONMENTS_TABLE: tables.environments.tableName,
    BUILDS_TABLE: tables.builds.tableName,
    HOSTS_TABLE: tables.hosts.tableName,
    EVENTS_TABLE: tables.events.tableName,
    JOB_QUEUE_URL: jobQueue.queue.queueUrl,
    DEAD_LETTER_QUEUE_URL: jobQueue.deadLetters.queueUrl,
    MAILBOX_BUCKET: mailbox.bucket.bucketName,
    HOST_ROLE_ID: hostRole.roleId,
    LAUNCH_TEMPLATE_ID: hostTemplate.templateId,
    LAUNCH_TEMPLATE_VERSION: hostTemplate.version,
    RING_DOCUMENT: notifyDocument.name,
    SUBNET_IDS: network.subnetIds.join(','),
    IMAGE_PARAMETER: parameters.image,
    IMAGE_ARM64_PARAMETER: parameters.imageArm64,
    PAUSED_PARAMETER: parameters.paused,
    REPOSITORY_SECRETS_PATH: parameters.repositorySecrets,
    GITHUB_APP_KEY_PARAMETER: parameters.githubAppKey,
    CLOUDFLARE_TOKEN_PARAMETER: parameters.cloudflareToken,
    NAME_KEY_PARAMETER: parameters.nameKey,
  };
}

/** The settings that the functions read, under their own names; a list stays as it was given, with commas. */
function settingsEnvironment(settings: Settings): Record<string, string> {
  const values: Record<string, unknown> = settings;
  return Object.fromEntries(
    Object.keys(functionSettings).flatMap((name) =>
      values[name] === undefined ? [] : [[name, String(values[name])]],
    ),
  );
}
