/**
 * Creates what a described stack needs in the emulators, with the checks CloudFormation would run into: the
 * queue must let S3 send before a bucket can notify it, and an event source's function must be able to read
 * its queue and be faster than its visibility timeout.
 */
import { AwsError } from './aws-error.ts';
import type { Emulators } from './emulators.ts';
import { evaluate } from './iam.ts';
import type { Ssm } from './ssm.ts';
import type { StackDescription } from './template.ts';

export interface DeployTarget {
  emulators: Emulators;
  ssm: Ssm;
  /** Host and port of the front door: it becomes part of the queue URLs. */
  authority: string;
  region: string;
  accountId: string;
}

/** @throws Error naming the resource and what CloudFormation would say */
export async function deployTemplate(stack: StackDescription, target: DeployTarget): Promise<void> {
  checkNotifications(stack, target.accountId);
  checkEventSources(stack);
  for (const { name, attributes } of stack.queues) {
    await sqsCall(target, 'CreateQueue', { QueueName: name, Attributes: attributes });
  }
  for (const { createTable } of stack.tables)
    await jsonCall(target, 'dynamodb', 'DynamoDB_20120810.CreateTable', createTable);
  for (const { name } of stack.buckets) {
    const reply = await target.emulators.sqsAndS3({
      method: 'PUT',
      target: `/${name}`,
      headers: { host: target.authority },
      body: new Uint8Array(),
    });
    if (reply.status >= 300) throw new Error(`bucket ${name}: ${Buffer.from(reply.body).toString()}`);
  }
  for (const { name, type, value } of stack.parameters) target.ssm.parameters.put({ name, type, value });
}

/** One SQS operation past the front door: for what AWS does by itself (event sources, notifications). */
export function sqsCall(
  target: Pick<DeployTarget, 'emulators' | 'authority'>,
  operation: string,
  params: object,
): Promise<unknown> {
  return jsonCall(target, 'sqs', `AmazonSQS.${operation}`, params);
}

async function jsonCall(
  { emulators, authority }: Pick<DeployTarget, 'emulators' | 'authority'>,
  service: 'sqs' | 'dynamodb',
  operation: string,
  params: object,
): Promise<unknown> {
  const request = {
    method: 'POST',
    target: '/',
    headers: {
      host: authority,
      'content-type': 'application/x-amz-json-1.0',
      'x-amz-target': operation,
      'x-amz-date': '20260101T000000Z',
      // dynalite wants to see the header, not to believe it.
      authorization: `AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/${service}/aws4_request, SignedHeaders=host, Signature=0`,
    },
    body: Buffer.from(JSON.stringify(params)),
  };
  const reply = service === 'sqs' ? await emulators.sqsAndS3(request) : await emulators.dynamodb(request);
  const text = Buffer.from(reply.body).toString();
  if (reply.status >= 300) throw new AwsError(operation, `${operation}: ${text}`, reply.status);
  return text === '' ? {} : JSON.parse(text);
}

function checkNotifications(stack: StackDescription, accountId: string): void {
  for (const bucket of stack.buckets) {
    for (const { queueName } of bucket.notifications) {
      const queue = stack.queues.find(({ name }) => name === queueName);
      if (!queue)
        throw new Error(`bucket ${bucket.name} notifies ${queueName}, which is not in the template`);
      const forS3 = (stack.resourcePolicies.get(queue.arn) ?? []).filter(({ principal }) =>
        JSON.stringify(principal)?.includes('s3.amazonaws.com'),
      );
      const context = {
        'aws:SourceArn': `arn:aws:s3:::${bucket.name}`,
        'aws:SourceAccount': accountId,
        'aws:SecureTransport': 'true',
      };
      if (evaluate(forS3, { action: 'sqs:SendMessage', resource: queue.arn, context }) === 'allow') continue;
      throw new Error(
        `bucket ${bucket.name}: Unable to validate the following destination configurations: the policy of queue ${queueName} does not let s3.amazonaws.com send (sqs:SendMessage)`,
      );
    }
  }
}

function checkEventSources(stack: StackDescription): void {
  for (const { functionName, queueName } of stack.eventSources) {
    const queue = stack.queues.find(({ name }) => name === queueName);
    const target = stack.functions.find(({ name }) => name === functionName);
    const role = stack.roles.find(({ name }) => name === target?.roleName);
    if (!queue || !target || !role)
      throw new Error(`event source ${queueName} -> ${functionName}: not in the template`);
    const visibility = Number(queue.attributes['VisibilityTimeout'] ?? '30');
    if (visibility < target.timeoutSeconds) {
      throw new Error(
        `Queue visibility timeout: ${visibility} seconds is less than Function timeout: ${target.timeoutSeconds} seconds (${queueName} -> ${functionName})`,
      );
    }
    for (const action of ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes']) {
      if (evaluate(role.statements, { action, resource: queue.arn, context: {} }) === 'allow') continue;
      throw new Error(
        `The function execution role ${role.name} does not have permissions to call ${action.slice(4)} on SQS (${queue.arn})`,
      );
    }
  }
}
