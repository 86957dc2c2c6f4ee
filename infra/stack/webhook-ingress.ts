import { Duration } from 'aws-cdk-lib';
import { FunctionUrlAuthType } from 'aws-cdk-lib/aws-lambda';
import type { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { parameterNames } from '../settings/settings.ts';
import { ControlPlaneFunction } from './control-plane-function.ts';
import { grantWebhookIngress } from './control-plane-grants.ts';
import type { JobQueue } from './job-queue.ts';

/**
 * The ingress of the job queue for accounts that may have no IAM users: a function with an address of its own, to
 * which the Worker passes GitHub's deliveries unchanged.
 *
 * The address is open to everybody (a Worker without a key cannot sign for IAM). The function checks GitHub's
 * signature by itself with the secret from Parameter Store.
 */
export class WebhookIngress extends Construct {
  readonly url: string;
  readonly logGroup: LogGroup;

  constructor(
    scope: Construct,
    id: string,
    props: { jobQueue: JobQueue; parameters: ReturnType<typeof parameterNames> },
  ) {
    super(scope, id);
    const { jobQueue, parameters } = props;
    const ingress = new ControlPlaneFunction(this, 'Ingress', {
      handler: 'on-webhook.ts',
      description: 'Eph: checks a delivery of GitHub and puts its job into the queue',
      // The Worker stops waiting earlier, and GitHub after 10 seconds.
      timeout: Duration.seconds(10),
      memoryMb: 256,
      environment: {
        JOB_QUEUE_URL: jobQueue.queue.queueUrl,
        WEBHOOK_SECRET_PARAMETER: parameters.webhookSecret,
        WEBHOOK_SECRET_PREVIOUS_PARAMETER: parameters.webhookSecretPrevious,
      },
    });
    grantWebhookIngress(ingress.role, { jobQueue, parameters });
    this.logGroup = ingress.logGroup;
    this.url = ingress.function.addFunctionUrl({ authType: FunctionUrlAuthType.NONE }).url;
  }
}
