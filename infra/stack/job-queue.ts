import { Duration } from 'aws-cdk-lib';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { HANDLER_TIMEOUT } from '#core/limits';

/** Lambda's limit for one job; the lease outlives it. */
export const JOB_TIMEOUT = Duration.millis(HANDLER_TIMEOUT);

/**
 * One standard queue for everything that wakes an environment: jobs of the Worker, reports of hosts (as S3
 * notifications), delayed wakes of our own. Not FIFO: only a standard queue has a delay per message, and
 * order and duplicates do not matter to a reconciler.
 *
 * A job that failed five times is kept for two weeks; cleanup turns it into a failure that people see.
 */
export class JobQueue extends Construct {
  readonly queue: Queue;
  readonly deadLetters: Queue;

  constructor(scope: Construct, id: string) {
    super(scope, id);
    this.deadLetters = new Queue(this, 'DeadLetters', {
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      retentionPeriod: Duration.days(14),
    });
    this.queue = new Queue(this, 'Jobs', {
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      retentionPeriod: Duration.days(4),
      // AWS requires six times the function's timeout: with a shorter one a job is delivered again while it is
      // running.
      visibilityTimeout: Duration.seconds(6 * JOB_TIMEOUT.toSeconds()),
      deadLetterQueue: { queue: this.deadLetters, maxReceiveCount: 5 },
    });
  }
}
