/**
 * Creates what a described stack needs in the emulators, with the checks CloudFormation would run into: the
 * queue must let S3 send before a bucket can notify it, and an event source's function must be able to read
 * its queue and be faster than its visibility timeout.
 */
import { isDeepStrictEqual } from 'node:util';
import { AwsError } from './aws-error.ts';
import type { Emulators } from './emulators.ts';
import { evaluate } from './iam.ts';
import type { Ssm } from './ssm.ts';
import type { StackDescription } from './template.ts';

export interface DeployTarget {
  emulators: Emulators;
  ssm: Ssm;
  /** Host and port of the receiver: it becomes part of the queue URLs. */
  authority: string;
  region: string;
  accountId: string;
}

/** @throws Error with the resource and CloudFormation's reason; everything is checked before anything is made */
export async function deployTemplate(
  stack: StackDescription,
  target: DeployTarget,
  before?: StackDescription,
): Promise<void> {
  checkNotifications(stack, target.accountId);
  checkEventSources(stack);
  checkRules(stack);
  for (const { name, attributes } of stack.queues) {
    const there = before?.queues.find((queue) => queue.name === name);
    if (!there) await sqsCall(target, 'CreateQueue', { QueueName: name, Attributes: attributes });
    else if (!isDeepStrictEqual(there.attributes, attributes)) {
      await sqsCall(target, 'SetQueueAttributes', {
        QueueUrl: queueUrl(target, name),
        Attributes: attributes,
      });
    }
  }
  for (const { name, createTable } of stack.tables) {
    if (before?.tables.some((table) => table.name === name)) continue;
    await dynamoCall(target, 'CreateTable', createTable).catch(unless('ResourceInUseException'));
  }
  for (const { name } of stack.buckets) {
    if (before?.buckets.some((bucket) => bucket.name === name)) continue;
    const reply = await target.emulators.sqsAndS3({
      method: 'PUT',
      target: `/${name}`,
      headers: { host: target.authority },
      body: new Uint8Array(),
    });
    if (reply.status >= 300) throw new Error(`bucket ${name}: ${Buffer.from(reply.body).toString()}`);
  }
  for (const { name, type, value } of stack.parameters) {
    target.ssm.parameters.put({ name, type, value, overwrite: before !== undefined });
  }
  if (before) await deleteLeftOut(before, stack, target);
}

/**
 * Deletes all stores but the tables that are retained. @throws Error before anything is deleted, if a bucket is not
 * empty
 */
export async function deleteStores(stack: StackDescription, target: DeployTarget): Promise<void> {
  await deleteLeftOut(stack, undefined, target);
}

/** Deletes what `before` has and `stack` lacks. Buckets come first: only they can refuse. */
async function deleteLeftOut(
  before: StackDescription,
  stack: StackDescription | undefined,
  target: DeployTarget,
): Promise<void> {
  const gone = <Named extends { name: string }>(old: readonly Named[], kept: readonly Named[] = []) =>
    old.filter(({ name }) => !kept.some((one) => one.name === name));
  for (const { name } of gone(before.buckets, stack?.buckets)) await deleteBucket(name, target);
  for (const { name } of gone(before.queues, stack?.queues)) {
    await sqsCall(target, 'DeleteQueue', { QueueUrl: queueUrl(target, name) });
  }
  for (const { name, retained } of gone(before.tables, stack?.tables)) {
    if (!retained) await dynamoCall(target, 'DeleteTable', { TableName: name });
  }
  for (const { name } of gone(before.parameters, stack?.parameters)) target.ssm.parameters.delete(name);
}

async function deleteBucket(name: string, { emulators, authority }: DeployTarget): Promise<void> {
  const headers = { host: authority };
  const reply = await emulators.sqsAndS3({
    method: 'DELETE',
    target: `/${name}`,
    headers,
    body: new Uint8Array(),
  });
  if (reply.status < 300 || reply.status === 404) return;
  throw new Error(`bucket ${name}: ${Buffer.from(reply.body).toString()}`);
}

function queueUrl({ authority, accountId }: DeployTarget, name: string): string {
  return `http://${authority}/${accountId}/${name}`;
}

function dynamoCall(target: DeployTarget, operation: string, params: object): Promise<unknown> {
  return jsonCall(target, 'dynamodb', `DynamoDB_20120810.${operation}`, params);
}

function unless(code: string): (error: unknown) => void {
  return (error) => {
    if (!(error instanceof Error && error.message.includes(code))) throw error;
  };
}

/** One SQS operation without the receiver: for what AWS does by itself (event sources, notifications). */
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
      // dynalite requires the header, but does not check it.
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

/** EventBridge silently drops what a queue does not let it send: here that is an error at once. */
function checkRules(stack: StackDescription): void {
  for (const { name, arn, targets } of stack.rules) {
    for (const target of targets.filter(({ service }) => service === 'sqs')) {
      const forEvents = (stack.resourcePolicies.get(target.arn) ?? []).filter(({ principal }) =>
        JSON.stringify(principal)?.includes('events.amazonaws.com'),
      );
      const context = { 'aws:SourceArn': arn, 'aws:SecureTransport': 'true' };
      const request = { action: 'sqs:SendMessage', resource: target.arn, context };
      if (evaluate(forEvents, request) === 'allow') continue;
      throw new Error(
        `rule ${name}: the policy of queue ${target.name} does not let events.amazonaws.com send (sqs:SendMessage)`,
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
