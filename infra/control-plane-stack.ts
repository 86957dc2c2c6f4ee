import { CfnOutput, Duration, Stack, Tags } from 'aws-cdk-lib';
import { Rule, RuleTargetInput, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import type { Construct } from 'constructs';
import { tags } from '#core/names';
import { ControlPlaneFunction } from './control-plane-function.ts';
import { type ControlPlaneResources, grantCleanup, grantDeployer } from './control-plane-grants.ts';
import { HostNetwork } from './host-network.ts';
import { HostRole } from './host-role.ts';
import { HostTemplate } from './host-template.ts';
import { JobQueue } from './job-queue.ts';
import { MailboxBucket } from './mailbox-bucket.ts';
import { RingDocument } from './ring-document.ts';
import { parameterNames, type Settings } from './settings.ts';
import { Tables } from './tables.ts';
import { WorkerUser } from './worker-user.ts';

/** Everything of Eph that is in AWS, in the order in which a webhook meets it. */
export class ControlPlaneStack extends Stack {
  constructor(scope: Construct, id: string, settings: Settings) {
    super(scope, id, { description: 'Eph: a running copy of the application for every pull request' });
    const deploymentId = settings.DEPLOYMENT_ID;
    Tags.of(this).add(tags.deployment, deploymentId);

    const jobQueue = new JobQueue(this, 'JobQueue');
    const workerUser = new WorkerUser(this, 'Worker', { queue: jobQueue.queue });
    const tables = new Tables(this, 'Tables');
    const mailbox = new MailboxBucket(this, 'Mailbox', { deploymentId, queue: jobQueue.queue });
    const network = new HostNetwork(this, 'Network');
    const hostRole = new HostRole(this, 'Host', { bucket: mailbox.bucket });
    const hostTemplate = new HostTemplate(this, 'HostTemplate', {
      role: hostRole.role,
      securityGroupId: network.securityGroupId,
    });
    const ring = new RingDocument(this, 'Ring');
    const parameters = parameterNames(deploymentId);
    const resources = {
      deploymentId,
      jobQueue,
      tables,
      mailbox,
      network,
      hostRole,
      hostTemplate,
      ring,
      parameters,
    };
    const environment = {
      ...resourceEnvironment(resources),
      SUBNET_IDS: network.subnets.map((subnet) => subnet.subnetId).join(','),
      ...settingsEnvironment(settings),
    };

    const deployer = new ControlPlaneFunction(this, 'Deployer', {
      handler: 'on-job.ts',
      description: 'Eph: takes one job and moves one environment a step on',
      environment,
    });
    grantDeployer(deployer.role, resources);
    deployer.function.addEventSource(
      new SqsEventSource(jobQueue.queue, {
        batchSize: 1,
        reportBatchItemFailures: true,
        maxConcurrency: settings.DEPLOYER_CONCURRENCY,
      }),
    );

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

    new CfnOutput(this, 'JobQueueUrl', {
      value: jobQueue.queue.queueUrl,
      description: 'SQS_QUEUE_URL of the Worker',
    });
    new CfnOutput(this, 'WorkerUserName', {
      value: workerUser.user.userName,
      description: 'Make its key here',
    });
    new CfnOutput(this, 'MailboxBucketName', {
      value: mailbox.bucket.bucketName,
      description: 'Takes agent/<sha256>.mjs',
    });
  }
}

function resourceEnvironment(resources: ControlPlaneResources): Record<string, string> {
  const { jobQueue, tables, mailbox, hostRole, hostTemplate, ring, parameters } = resources;
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
    RING_DOCUMENT: ring.name,
    IMAGE_PARAMETER: parameters.image,
    GITHUB_APP_KEY_PARAMETER: parameters.githubAppKey,
    CLOUDFLARE_TOKEN_PARAMETER: parameters.cloudflareToken,
    NAME_KEY_PARAMETER: parameters.nameKey,
  };
}

/** The settings a function reads, under the names they were given by. */
function settingsEnvironment(settings: Settings): Record<string, string> {
  const { DEPLOYER_CONCURRENCY: _, ...read } = settings;
  return Object.fromEntries(Object.entries(read).map(([name, value]) => [name, String(value)]));
}
