import { Aws, Stack } from 'aws-cdk-lib';
import { Effect, PolicyStatement, type Role } from 'aws-cdk-lib/aws-iam';
import { tags } from '#core/names';
import type { parameterNames } from '../settings/settings.ts';
import { acknowledge, wildcard } from './acknowledge.ts';
import type { HostNetwork } from './host-network.ts';
import type { HostRole } from './host-role.ts';
import type { HostTemplate } from './host-template.ts';
import type { JobQueue } from './job-queue.ts';
import type { MailboxBucket } from './mailbox-bucket.ts';
import type { NotifyDocument } from './notify-document.ts';
import type { Tables } from './tables.ts';

export interface ControlPlaneResources {
  deploymentId: string;
  jobQueue: JobQueue;
  tables: Tables;
  mailbox: MailboxBucket;
  network: HostNetwork;
  hostRole: HostRole;
  hostTemplate: HostTemplate;
  notifyDocument: NotifyDocument;
  parameters: ReturnType<typeof parameterNames>;
}

/**
 * What the functions of the control plane may do; each only what its code calls (tests/infra holds the SDK
 * commands of lambdas/adapters against this).
 *
 * Hosts are told apart from the account's other machines by the tag `eph:deployment`: they are launched with it, and
 * only machines that have it are started, stopped, terminated or notified. The tag can be written at launch only, so
 * no other machine can be made to look like a host.
 */
interface Grants {
  role: Role;
  to: ControlPlaneResources;
  arn(service: string, resource: string, resourceName: string): string;
}

/** The rights of the deployer, which brings one environment to its desired state. */
export function grantDeployer(role: Role, to: ControlPlaneResources): void {
  const grants: Grants = { role, to, arn: arnOf(role) };
  grantBoth(grants);
  const { environments, builds, hosts, events } = to.tables;
  allow(role, 'Environments', ['dynamodb:GetItem', 'dynamodb:UpdateItem'], [environments.tableArn]);
  allow(
    role,
    'EnvironmentsOf',
    ['dynamodb:Query'],
    [`${environments.tableArn}/index/repository`, `${environments.tableArn}/index/installation`],
  );
  allow(role, 'Builds', ['dynamodb:UpdateItem'], [builds.tableArn]);
  allow(role, 'AssignHost', ['dynamodb:PutItem', 'dynamodb:UpdateItem'], [hosts.tableArn]);
  allow(
    role,
    'LostInstallations',
    ['dynamodb:Query', 'dynamodb:UpdateItem', 'dynamodb:DeleteItem'],
    [events.tableArn],
  );
  allow(role, 'Mail', ['s3:GetObject', 's3:PutObject'], [to.mailbox.bucket.arnForObjects('hosts/*')]);
  grantLaunch(grants);
  grantPowerAndNotify(grants);
  const parameter = (name: string) => grants.arn('ssm', 'parameter', name.slice(1));
  const { image, imageArm64, paused, repositorySecrets } = to.parameters;
  allow(role, 'ImagesAndPause', ['ssm:GetParameters'], [image, imageArm64, paused].map(parameter));
  allow(role, 'RepositorySecrets', ['ssm:GetParametersByPath'], [`${parameter(repositorySecrets)}/*`]);
  acknowledge(role, 'Secrets of whichever repository is deployed', [
    wildcard(`arn:<AWS::Partition>:ssm:<AWS::Region>:<AWS::AccountId>:parameter${repositorySecrets}/*`),
  ]);
}

/** The function-URL way in: reads the webhook secret and sends jobs, nothing else. */
export function grantWebhookIngress(
  role: Role,
  to: Pick<ControlPlaneResources, 'jobQueue' | 'parameters'>,
): void {
  const arn = arnOf(role);
  const { webhookSecret, webhookSecretPrevious } = to.parameters;
  allow(role, 'SendJobs', ['sqs:SendMessage'], [to.jobQueue.queue.queueArn]);
  allow(
    role,
    'WebhookSecret',
    ['ssm:GetParameters'],
    [webhookSecret, webhookSecretPrevious].map((name) => arn('ssm', 'parameter', name.slice(1))),
  );
}

/**
 * The rights of the cleanup: it wakes the rows that are due, reads both tables whole once an hour to compare them
 * with what exists, keeps when it first saw what should not exist, and takes dead letters out of their queue.
 */
export function grantCleanup(role: Role, to: ControlPlaneResources): void {
  grantBoth({ role, to, arn: arnOf(role) });
  const { environments, hosts, events } = to.tables;
  allow(role, 'Due', ['dynamodb:Query'], [`${environments.tableArn}/index/due`]);
  allow(role, 'Compare', ['dynamodb:Scan'], [environments.tableArn, hosts.tableArn]);
  allow(role, 'Sightings', ['dynamodb:UpdateItem', 'dynamodb:DeleteItem'], [events.tableArn]);
  allow(role, 'DeadLetters', ['sqs:ReceiveMessage', 'sqs:DeleteMessage'], [to.jobQueue.deadLetters.queueArn]);
}

/** The rights to send jobs, to write the trace, to remove what an environment leaves, and to read the keys for that. */
function grantBoth({ role, to, arn }: Grants): void {
  allow(role, 'SendJobs', ['sqs:SendMessage'], [to.jobQueue.queue.queueArn]);
  allow(role, 'Trace', ['dynamodb:PutItem'], [to.tables.events.tableArn]);
  allow(role, 'Hosts', ['dynamodb:GetItem', 'dynamodb:DeleteItem'], [to.tables.hosts.tableArn]);
  allow(role, 'ClearMailbox', ['s3:DeleteObject'], [to.mailbox.bucket.arnForObjects('hosts/*')]);
  // This is granted on the whole bucket: without it S3 answers 403 for a report that does not exist, which looks like
  // a fault.
  allow(role, 'ListMailboxes', ['s3:ListBucket'], [to.mailbox.bucket.bucketArn]);
  allow(role, 'ReadHosts', ['ec2:DescribeInstances'], ['*']);
  allow(role, 'EndOurs', ['ec2:StopInstances', 'ec2:TerminateInstances'], [arn('ec2', 'instance', '*')], {
    StringEquals: { [`aws:ResourceTag/${tags.deployment}`]: to.deploymentId },
  });
  // SecureStrings under the account's own `aws/ssm` key: its key policy lets Parameter Store decrypt for
  // whoever may read the parameter, so no right on the key is needed.
  const { githubAppKey, cloudflareToken, nameKey } = to.parameters;
  const secrets = [githubAppKey, cloudflareToken, nameKey];
  allow(
    role,
    'Secrets',
    ['ssm:GetParameters'],
    secrets.map((name) => arn('ssm', 'parameter', name.slice(1))),
  );

  acknowledge(role, 'Mailboxes of all hosts', [wildcard('<MailboxBucket2641422E.Arn>/hosts/*')]);
  acknowledge(role, 'DescribeInstances knows no resource', [wildcard('*')]);
  acknowledge(role, 'Hosts have no name before they exist; they are told apart by their tag', [
    anyOf('<AWS::AccountId>', 'instance'),
  ]);
}

/**
 * RunInstances needs a right for every resource that it makes or uses. It is granted from our launch template only,
 * so with our network, disk, role and metadata options, and only with our tag on machine and disk.
 */
function grantLaunch({ role, to, arn }: Grants): void {
  const instances = arn('ec2', 'instance', '*');
  const volumes = arn('ec2', 'volume', '*');
  const template = arn('ec2', 'launch-template', to.hostTemplate.templateId);
  const ourTag = { [`aws:RequestTag/${tags.deployment}`]: to.deploymentId };
  allow(role, 'LaunchTagged', ['ec2:RunInstances'], [instances], {
    StringEquals: ourTag,
    ArnEquals: { 'ec2:LaunchTemplate': template },
  });
  allow(role, 'LaunchTaggedDisk', ['ec2:RunInstances'], [volumes], { StringEquals: ourTag });
  allow(
    role,
    'LaunchWith',
    ['ec2:RunInstances'],
    [
      template,
      ...to.network.subnetIds.map((subnetId) => arn('ec2', 'subnet', subnetId)),
      arn('ec2', 'security-group', to.network.securityGroupId),
      arn('ec2', 'network-interface', '*'),
      // Images have no account in their ARN.
      Stack.of(role).formatArn({ service: 'ec2', account: '', resource: 'image', resourceName: '*' }),
    ],
  );
  allow(role, 'TagAtLaunch', ['ec2:CreateTags'], [instances, volumes], {
    StringEquals: { 'ec2:CreateAction': 'RunInstances', ...ourTag },
  });
  allow(role, 'PassHostRole', ['iam:PassRole'], [to.hostRole.role.roleArn], {
    StringEquals: { 'iam:PassedToService': `ec2.${Aws.URL_SUFFIX}` },
  });
  acknowledge(role, 'Disks and interfaces have no name before they exist', [
    anyOf('<AWS::AccountId>', 'volume'),
    anyOf('<AWS::AccountId>', 'network-interface'),
  ]);
  acknowledge(role, 'Which image is the newest is said by a parameter', [anyOf('', 'image')]);
}

function grantPowerAndNotify({ role, to, arn }: Grants): void {
  const instances = arn('ec2', 'instance', '*');
  allow(role, 'StartOurs', ['ec2:StartInstances'], [instances], {
    StringEquals: { [`aws:ResourceTag/${tags.deployment}`]: to.deploymentId },
  });
  allow(role, 'RingDocument', ['ssm:SendCommand'], [to.notifyDocument.arn]);
  allow(role, 'RingOurs', ['ssm:SendCommand'], [instances], {
    StringEquals: { [`ssm:resourceTag/${tags.deployment}`]: to.deploymentId },
  });
}

function allow(
  role: Role,
  sid: string,
  actions: string[],
  resources: string[],
  conditions?: Record<string, Record<string, string>>,
): void {
  const effect = Effect.ALLOW;
  role.addToPolicy(
    new PolicyStatement({ sid, effect, actions, resources, ...(conditions && { conditions }) }),
  );
}

function arnOf(role: Role) {
  return (service: string, resource: string, resourceName: string) =>
    Stack.of(role).formatArn({ service, resource, resourceName });
}

function anyOf(account: string, resource: string): string {
  return wildcard(`arn:<AWS::Partition>:ec2:<AWS::Region>:${account}:${resource}/*`);
}
