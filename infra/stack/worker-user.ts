import { Effect, PolicyStatement, User } from 'aws-cdk-lib/aws-iam';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';

/**
 * The Worker's identity in AWS: a Worker has none of its own, so it needs a key that does not expire. All the
 * key can do is put jobs into one queue, and a job only says "look again at X".
 *
 * The deploy script makes the key and gives it to Cloudflare: in a template it would be readable by everybody who may
 * see the stack.
 */
export class WorkerUser extends Construct {
  readonly user: User;

  constructor(scope: Construct, id: string, props: { queue: Queue }) {
    super(scope, id);
    this.user = new User(this, 'User');
    this.user.addToPolicy(
      new PolicyStatement({
        sid: 'SendJobs',
        effect: Effect.ALLOW,
        actions: ['sqs:SendMessage'],
        resources: [props.queue.queueArn],
      }),
    );
  }
}
