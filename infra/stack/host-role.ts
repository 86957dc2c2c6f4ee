import { Effect, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { Bucket } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { acknowledge, wildcard } from './acknowledge.ts';

/**
 * What a host may do, and so what any pull request's author may do: nothing that reaches another environment.
 *
 * - Its own mailbox: `aws:userid` of an instance is `<role id>:<instance id>` and cannot be chosen by it.
 *   Without `s3:ListBucket` a file that does not exist yet is answered with 403, not 404.
 * - What the SSM agent calls to receive a Run Command. AmazonSSMManagedInstanceCore, the policy that AWS offers,
 *   also reads every parameter in the account. `ec2messages` is the channel of agents that cannot open
 *   `ssmmessages`; neither knows a resource. `UpdateInstanceInformation` does, but only all instances could be
 *   named: there is no variable for the own one.
 */
export class HostRole extends Construct {
  readonly role: Role;

  constructor(scope: Construct, id: string, props: { bucket: Bucket }) {
    super(scope, id);
    this.role = new Role(this, 'Role', {
      assumedBy: new ServicePrincipal('ec2.amazonaws.com'),
      description: 'Host of an environment: its own mailbox and the SSM agent',
    });
    this.role.addToPolicy(
      new PolicyStatement({
        sid: 'OwnMailbox',
        effect: Effect.ALLOW,
        actions: ['s3:GetObject', 's3:PutObject'],
        resources: [props.bucket.arnForObjects(`hosts/\${aws:userid}/*`)],
      }),
    );
    this.role.addToPolicy(
      new PolicyStatement({
        sid: 'Agent',
        effect: Effect.ALLOW,
        actions: ['s3:GetObject'],
        resources: [props.bucket.arnForObjects('agent/*')],
      }),
    );
    this.role.addToPolicy(
      new PolicyStatement({
        sid: 'SsmAgent',
        effect: Effect.ALLOW,
        actions: [
          'ssm:UpdateInstanceInformation',
          'ssmmessages:CreateControlChannel',
          'ssmmessages:CreateDataChannel',
          'ssmmessages:OpenControlChannel',
          'ssmmessages:OpenDataChannel',
          'ec2messages:AcknowledgeMessage',
          'ec2messages:DeleteMessage',
          'ec2messages:FailMessage',
          'ec2messages:GetEndpoint',
          'ec2messages:GetMessages',
          'ec2messages:SendReply',
        ],
        resources: ['*'],
      }),
    );
    acknowledge(this, 'Files of one prefix', [
      wildcard('<MailboxBucket2641422E.Arn>/hosts/<aws:userid>/*'),
      wildcard('<MailboxBucket2641422E.Arn>/agent/*'),
    ]);
    acknowledge(this, 'The SSM agent says nothing that could be narrowed to its own machine', [
      wildcard('*'),
    ]);
  }

  /** `AROA...`: the first half of a host's `aws:userid`, and of its mailbox's name. */
  get roleId(): string {
    return this.role.roleId;
  }
}
