import { ArnFormat, Aws, Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { Effect, PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { BlockPublicAccess, Bucket, BucketEncryption, type CfnBucket } from 'aws-cdk-lib/aws-s3';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { mailboxFiles } from '../../lambdas/providers/ec2/mailbox.ts';
import { acknowledge } from './acknowledge.ts';

/** The reports that the control plane waits for. The log is not among them: it is written often and wakes nobody. */
const reports = [mailboxFiles.progress, mailboxFiles.result];

/**
 * The mailboxes (`hosts/<role id>:<instance id>/`) and the agent (`agent/<sha256>.mjs`).
 *
 * Gotchas
 * - The notification is part of the bucket itself. The one CDK makes by itself is a custom resource: a
 *   function of its own, with rights over every bucket's notifications.
 * - When the bucket is made, S3 checks that it may send to the queue, so the queue's policy comes first and cannot
 *   refer to the bucket's ARN. That is why the bucket has a name of ours.
 */
export class MailboxBucket extends Construct {
  readonly bucket: Bucket;

  constructor(scope: Construct, id: string, props: { deploymentId: string; queue: Queue }) {
    super(scope, id);
    const bucketName = `eph-${props.deploymentId}-${Aws.ACCOUNT_ID}-${Aws.REGION}`;
    this.bucket = new Bucket(this, 'Bucket', {
      bucketName,
      encryption: BucketEncryption.S3_MANAGED,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      enforceSSL: true,
      // CloudFormation does not delete a bucket with objects in it: teardown empties it first, by name.
      removalPolicy: RemovalPolicy.DESTROY,
      lifecycleRules: [
        {
          prefix: 'hosts/',
          expiration: Duration.days(30),
          abortIncompleteMultipartUploadAfter: Duration.days(1),
        },
      ],
    });
    acknowledge(this, 'One role per host and one for us; logs would cost more than what they watch', ['S1']);

    const allowed = props.queue.addToResourcePolicy(
      new PolicyStatement({
        sid: 'ReportsOfHosts',
        effect: Effect.ALLOW,
        principals: [new ServicePrincipal('s3.amazonaws.com')],
        actions: ['sqs:SendMessage'],
        resources: [props.queue.queueArn],
        conditions: {
          ArnEquals: {
            'aws:SourceArn': Stack.of(this).formatArn({
              service: 's3',
              region: '',
              account: '',
              resource: bucketName,
              arnFormat: ArnFormat.NO_RESOURCE_NAME,
            }),
          },
          StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID },
        },
      }),
    );
    const resource = this.bucket.node.defaultChild as CfnBucket;
    resource.notificationConfiguration = {
      queueConfigurations: reports.map((suffix) => ({
        event: 's3:ObjectCreated:*',
        queue: props.queue.queueArn,
        filter: {
          s3Key: {
            rules: [
              { name: 'prefix', value: 'hosts/' },
              { name: 'suffix', value: `/${suffix}` },
            ],
          },
        },
      })),
    };
    if (allowed.policyDependable) resource.node.addDependency(allowed.policyDependable);
  }
}
