/**
 * AWS on one machine, made from a synthesised CDK template.
 *
 *   const aws = await startAws({ template, assetRoot: 'cdk.out', hostDriver, wireLog, log });
 *   aws.url                          AWS_ENDPOINT_URL for everybody
 *   aws.stack                        names of everything in the template (queues, tables, functions, outputs)
 *   aws.queueUrl(name)               <url>/000000000000/<name>
 *   aws.credentials.root()           environment variables of the account's owner: set-up scripts, tests
 *   aws.credentials.user(id)         ... of an IAM user of the template, by name or logical id (the Worker)
 *   aws.credentials.role(id, name)   ... of a session of a role
 *   aws.invoke(function, event)      a function, by name or logical id
 *   aws.runSchedule(rule)            a rule now, by name or logical id
 *   aws.ec2 / aws.ssm                the state machines, with `knobs` (capacity, stale reads, lost commands)
 *   aws.machines.knobs               SSM agents slow or never up
 *   aws.notifications.knobs          S3 messages twice or out of order
 *   aws.faults.failNext('sqs.SendMessage', { code: 'ServiceUnavailable' }, 2)
 *
 * Lifecycle: front door listens -> template is read (queue URLs need its address) -> queues, tables, buckets,
 * parameters are made -> event sources and schedules run. `close` stops them in the other order, terminates
 * the machines, and kills the functions' processes. All state is in memory.
 *
 * Not here: Lambda's freeze between events, EventBridge retries, KMS, CloudWatch, a bucket's lifecycle rules,
 * TTL of tables. A host that shuts itself down from inside is not noticed.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import type { WireLog } from '../wire-log.ts';
import { AwsError } from './aws-error.ts';
import { type Call, jsonReply, type Reply, xmlReply } from './aws-protocol.ts';
import { deployTemplate, sqsCall } from './deploy-template.ts';
import { createEc2, type Ec2 } from './ec2.ts';
import { answerEc2 } from './ec2-wire.ts';
import { type Emulators, startEmulators } from './emulators.ts';
import { startEventSource } from './event-source.ts';
import { createFaults, type Faults } from './faults.ts';
import { startFrontDoor } from './front-door.ts';
import type { HostDriver } from './host-driver.ts';
import { createIdentities, type Identities } from './identities.ts';
import type { Principal } from './keyring.ts';
import {
  createLambdaRuntime,
  type InvocationResult,
  type LambdaLine,
  type LambdaRuntime,
} from './lambda-runtime.ts';
import { createMachines, type Machines } from './machines.ts';
import { type GrantWorld, neededGrants } from './needed-grants.ts';
import { createNotifications, type Notifications } from './s3-notifications.ts';
import { startSchedule } from './schedule.ts';
import { createSsm, type Ssm } from './ssm.ts';
import { answerSsm } from './ssm-wire.ts';
import { describeTemplate, type StackDescription } from './template.ts';

export interface StartAwsOptions {
  /** Parsed `<stack>.template.json`. */
  template: unknown;
  /** The folder `cdk synth` wrote, where `asset.<hash>` folders are. */
  assetRoot: string;
  stackName?: string;
  hostDriver: HostDriver;
  wireLog: WireLog;
  log(line: LambdaLine): void;
  now?: () => number;
  /** Over the template's, in every function. `AWS_ENDPOINT_URL` is set anyway. */
  environmentOverrides?: Record<string, string>;
  /** Values of template parameters, by name, or by the SSM name that is their default. */
  templateParameters?: Record<string, string>;
  /** AMI ids that exist; default one. */
  images?: string[];
  port?: number;
  alsoListenOn?: readonly string[];
  /** Whether rules fire by themselves; default true. */
  schedules?: boolean;
}

export interface LocalAws {
  url: string;
  region: string;
  accountId: string;
  stack: StackDescription;
  images: readonly string[];
  queueUrl(name: string): string;
  credentials: Pick<Identities, 'root' | 'user' | 'role'>;
  invoke(nameOrLogicalId: string, event: unknown): Promise<InvocationResult>;
  runSchedule(nameOrLogicalId: string): Promise<InvocationResult[]>;
  ec2: Ec2;
  ssm: Ssm;
  machines: Pick<Machines, 'knobs'>;
  notifications: Pick<Notifications, 'knobs'>;
  faults: Faults;
  close(): Promise<void>;
}

const region = 'us-east-1';
const accountId = '000000000000';
export const defaultImage = 'ami-0e0e0e0e0e0e0e0e0';

export async function startAws(options: StartAwsOptions): Promise<LocalAws> {
  const now = options.now ?? Date.now;
  const images = options.images ?? [defaultImage];
  const faults = createFaults();
  const emulators = await startEmulators();
  const identities = createIdentities({ now, region, accountId });
  // The front door listens before the template is read; nobody knows its address until both are done.
  const late: {
    grants?: GrantWorld;
    stack?: StackDescription;
    answer?: (call: Call, by: Principal) => Promise<Reply>;
  } = {};
  const door = await startFrontDoor({
    now,
    keyring: identities.keyring,
    wireLog: options.wireLog,
    faults,
    neededGrants: (call) => (late.grants ? neededGrants(call, late.grants) : []),
    resourcePolicy: (resource) =>
      late.stack?.resourcePolicies.get(resource.replace(/^(arn:aws:s3:::[^/]+)\/.*$/, '$1')) ?? [],
    answer: (call, by) =>
      late.answer
        ? late.answer(call, by)
        : Promise.reject(new AwsError('ServiceUnavailable', 'not ready yet', 503)),
    ...(options.port !== undefined && { port: options.port }),
    ...(options.alsoListenOn && { alsoListenOn: options.alsoListenOn }),
  });
  const closers: (() => Promise<void>)[] = [door.close, emulators.close];

  try {
    return await openBehind();
  } catch (error) {
    await Promise.all(closers.map((close) => close()));
    throw error;
  }

  async function openBehind(): Promise<LocalAws> {
    const authority = new URL(door.url).host;
    const queueUrl = (name: string) => `${door.url}/${accountId}/${name}`;
    const stackName = options.stackName ?? 'eph-local';
    const facts = { stackName, region, accountId, parameters: options.templateParameters ?? {}, queueUrl };
    const stack = describeTemplate(options.template, facts, options.assetRoot);
    late.stack = stack;
    identities.add(stack);

    const machines = createMachines({
      driver: options.hostDriver,
      region,
      ec2: () => ec2,
      ssm: () => ssm,
      credentials: (instance) => identities.ofInstance(instance),
      imdsHost: options.alsoListenOn?.[0] ?? '127.0.0.1',
      log: (line) => options.log({ source: 'hosts', line }),
    });
    const ssm: Ssm = createSsm({
      now,
      newId: randomUUID,
      documents: stack.documents,
      onDue: () => machines.deliver(),
      onCancel: (commandId, instanceId) => machines.cancel(commandId, instanceId),
    });
    const ec2: Ec2 = createEc2({
      now,
      newId: () => randomBytes(9).toString('hex').slice(0, 17),
      subnets: stack.subnets,
      launchTemplates: stack.launchTemplates,
      image: (id) => imageBehind(id, images, ssm),
      onPower: (event) => machines.onPower(event),
    });
    late.grants = {
      region,
      accountId,
      ec2,
      partitionKeyOf: (table) => stack.tables.find(({ name }) => name === table)?.partitionKey,
      roleOfProfile: (profile) => identities.roleArnOfProfile(profile),
    };
    await deployTemplate(stack, { emulators, ssm, authority, region, accountId });

    const sqs = (operation: string, params: object) => sqsCall({ emulators, authority }, operation, params);
    const notifications = createNotifications({
      region,
      notifications: new Map(stack.buckets.map((bucket) => [bucket.name, bucket.notifications])),
      send: async (queueName, MessageBody) =>
        void (await sqs('SendMessage', { QueueUrl: queueUrl(queueName), MessageBody })),
    });
    const runtime = createLambdaRuntime({
      functions: stack.functions,
      region,
      environmentOverrides: { AWS_ENDPOINT_URL: door.url, ...options.environmentOverrides },
      credentials: ({ roleName, name }) => identities.role(roleName, name),
      log: options.log,
    });
    late.answer = createAnswer({ emulators, ec2, ssm, runtime, notifications, now });

    const sources = stack.eventSources.map((mapping) =>
      startEventSource({
        mapping,
        queueArn: stack.queues.find(({ name }) => name === mapping.queueName)?.arn ?? '',
        region,
        sqs: (operation, params) => sqs(operation, { QueueUrl: queueUrl(mapping.queueName), ...params }),
        invoke: runtime.invoke,
        log: (line) => options.log({ source: mapping.functionName, line }),
      }),
    );
    const schedule = startSchedule({
      rules: stack.rules,
      now,
      region,
      accountId,
      invoke: (name, event) => invokeByRule(stack, runtime, name, event),
      log: (line) => options.log({ source: 'schedule', line }),
      automatic: options.schedules ?? true,
    });

    return {
      url: door.url,
      region,
      accountId,
      stack,
      images,
      queueUrl,
      credentials: identities,
      invoke: runtime.invoke,
      runSchedule: schedule.run,
      ec2,
      ssm,
      machines,
      notifications,
      faults,
      async close() {
        schedule.close();
        const drained = sources.map((source) => source.close());
        await machines.close();
        await runtime.close();
        await door.close();
        await emulators.close();
        await Promise.all(drained);
      },
    };
  }
}

function imageBehind(id: string, images: readonly string[], ssm: Ssm): string | undefined {
  const [, parameter] = /^resolve:ssm:(.+)$/.exec(id) ?? [];
  if (!parameter) return images.find((image) => image === id);
  const resolved = ssm.parameters.get(parameter, false).value;
  return images.find((image) => image === resolved);
}

/** Without `AWS::Lambda::Permission` EventBridge may not invoke, and drops the event in silence. */
function invokeByRule(
  stack: StackDescription,
  runtime: LambdaRuntime,
  name: string,
  event: unknown,
): Promise<InvocationResult> {
  if (!stack.invocableByRules.includes(name)) {
    return Promise.reject(
      new Error(
        `EventBridge may not invoke ${name}: the template has no AWS::Lambda::Permission for events.amazonaws.com`,
      ),
    );
  }
  return runtime.invoke(name, event);
}

interface Behind {
  emulators: Emulators;
  ec2: Ec2;
  ssm: Ssm;
  runtime: LambdaRuntime;
  notifications: Notifications;
  now: () => number;
}

const createdEvents: Record<string, string> = {
  PutObject: 'ObjectCreated:Put',
  CopyObject: 'ObjectCreated:Copy',
  CompleteMultipartUpload: 'ObjectCreated:CompleteMultipartUpload',
};

function createAnswer(behind: Behind) {
  return async (call: Call, by: Principal): Promise<Reply> => {
    switch (call.service) {
      case 'sqs':
        return behind.emulators.sqsAndS3({ ...call.request, target: '/' });
      case 'dynamodb':
        return behind.emulators.dynamodb({ ...call.request, target: '/' });
      case 's3':
        return answerS3(call, by, behind);
      case 'ec2':
        return answerEc2(behind.ec2, call.operation, call.params, region);
      case 'ssm':
        return answerSsm(
          behind.ssm,
          call.operation,
          call.params,
          (name) => `arn:aws:ssm:${region}:${accountId}:parameter/${name.replace(/^\//, '')}`,
        );
      case 'lambda':
        return answerLambda(call, behind.runtime);
      case 'sts':
        return xmlReply(
          `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Arn>${by.arn}</Arn><UserId>${by.userId}</UserId><Account>${accountId}</Account></GetCallerIdentityResult><ResponseMetadata><RequestId>${randomUUID()}</RequestId></ResponseMetadata></GetCallerIdentityResponse>`,
        );
    }
  };
}

async function answerS3(
  call: Call,
  by: Principal,
  { emulators, notifications, now }: Behind,
): Promise<Reply> {
  const reply = await emulators.sqsAndS3(call.request);
  const eventName = createdEvents[call.operation];
  if (!eventName || reply.status !== 200) return reply;
  const { bucket, key, request } = call;
  const size = Number(request.headers['x-amz-decoded-content-length'] ?? request.body.byteLength);
  const etag = (reply.headers['etag'] ?? '').replaceAll('"', '');
  await notifications.objectCreated({
    bucket,
    key,
    eventName,
    size,
    etag,
    principalId: by.userId,
    at: now(),
  });
  return reply;
}

async function answerLambda({ key, request }: Call, runtime: LambdaRuntime): Promise<Reply> {
  const event: unknown = JSON.parse(Buffer.from(request.body).toString() || '{}');
  if (request.headers['x-amz-invocation-type'] === 'Event') {
    void runtime.invoke(key, event);
    return { status: 202, headers: {}, body: new Uint8Array() };
  }
  const result = await runtime.invoke(key, event);
  if (result.ok) return jsonReply(result.value ?? null);
  return jsonReply({ errorType: result.errorType, errorMessage: result.errorMessage }, 200, {
    'x-amz-function-error': 'Unhandled',
  });
}
