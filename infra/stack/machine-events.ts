import { CfnRule } from 'aws-cdk-lib/aws-events';
import { Effect, PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';

/**
 * EC2's event that a machine was switched off, sent by EventBridge straight into the job queue: otherwise only the
 * hourly garbage collection notices that a host switched itself off or was removed.
 *
 * The rule matches every machine of the account (EventBridge has no tags in these events); the deployer ignores those
 * that have no row in `hosts`. In an account with few other machines that costs nothing; a fleet of thousands costs a
 * Lambda run of milliseconds for each machine.
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/monitoring-instance-state-changes.html
 */
export class MachineEvents extends Construct {
  constructor(scope: Construct, id: string, props: { queue: Queue }) {
    super(scope, id);
    const rule = new CfnRule(this, 'WentOff', {
      description: 'Eph: a machine was stopped or terminated',
      eventPattern: {
        source: ['aws.ec2'],
        'detail-type': ['EC2 Instance State-change Notification'],
        detail: { state: ['stopped', 'terminated'] },
      },
      targets: [{ id: 'JobQueue', arn: props.queue.queueArn }],
    });
    props.queue.addToResourcePolicy(
      new PolicyStatement({
        sid: 'MachinesThatWentOff',
        effect: Effect.ALLOW,
        principals: [new ServicePrincipal('events.amazonaws.com')],
        actions: ['sqs:SendMessage'],
        resources: [props.queue.queueArn],
        conditions: { ArnEquals: { 'aws:SourceArn': rule.attrArn } },
      }),
    );
  }
}
