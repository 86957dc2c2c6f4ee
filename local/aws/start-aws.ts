/**
 * AWS on one machine, made from a synthesised CDK template.
 *
 *   const aws = await startAws({ template, assetRoot: 'cdk.out', hostDriver, wireLog, log });
 *   aws.url                          AWS_ENDPOINT_URL for everybody
 *   aws.stack                        names of everything in the template (queues, tables, functions, outputs)
 *   aws.deployStack / deleteStack    updates it in place, or removes it (`run-stack.ts`)
 *   aws.queueUrl(name)               <url>/000000000000/<name>
 *   aws.credentials.root()           environment variables of the account's owner: set-up scripts, tests
 *   aws.credentials.user(id)         ... of an IAM user of the template, by name or logical id (the Worker)
 *   aws.credentials.role(id, name)   ... of a session of a role
 *   aws.invoke(function, event)      a function, by name or logical id
 *   aws.runSchedule(rule)            a rule now, by name or logical id
 *   aws.ec2 / aws.ssm                the state machines, with `knobs` (capacity, stale reads, lost commands)
 *   aws.images, aws.logs             machine images; what the functions printed
 *   aws.network.knobs, aws.lambdaAccount    limits of an account that can prevent a deploy
 *   aws.machines.knobs               SSM agents that are slow or never come online
 *   aws.notifications.knobs          S3 messages that come twice or out of order
 *   aws.faults.failNext('sqs.SendMessage', { code: 'ServiceUnavailable' }, 2)
 *
 * Lifecycle: receiver listens -> the stack is deployed, now or later (queue URLs need the address). `close` stops
 * schedules and pollers, terminates the machines, and kills the functions' processes. All state is in memory.
 *
 * It lacks Lambda's freeze between events, EventBridge retries, KMS, CloudWatch metrics, a bucket's lifecycle rules,
 * TTL of tables. A host that shuts itself down from inside is not noticed.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import type { WireLog } from '../wire-log.ts';
import { createAnswer } from './answer-call.ts';
import { AwsError } from './aws-error.ts';
import type { Call, Reply } from './aws-protocol.ts';
import { sqsCall } from './deploy-template.ts';
import { createEc2, type Ec2 } from './ec2.ts';
import { startEmulators } from './emulators.ts';
import { createFaults, type Faults } from './faults.ts';
import { startFunctionUrls } from './function-urls.ts';
import type { HostDriver } from './host-driver.ts';
import { createIdentities, type Identities } from './identities.ts';
import { createImages, type Images } from './images.ts';
import type { Principal } from './keyring.ts';
import { createLambdaRuntime, type InvocationResult, type LambdaLine } from './lambda-runtime.ts';
import type { LambdaAccount } from './lambda-wire.ts';
import { createLogStore, type LogStore } from './log-store.ts';
import { createMachines, type Machines } from './machines.ts';
import { type GrantDependencies, neededGrants } from './needed-grants.ts';
import { createNetwork, type Network } from './network.ts';
import { createStackRunner, type LiveStack, type StackRunner } from './run-stack.ts';
import { createNotifications, type Notifications } from './s3-notifications.ts';
import { createSsm, type Ssm } from './ssm.ts';
import { startReceiver } from './start-receiver.ts';
import type { StackDescription } from './template.ts';

export interface StartAwsOptions {
  /** Parsed `<stack>.template.json`; without it the account is empty until `deployStack`. */
  template?: unknown;
  /** The folder `cdk synth` wrote, where `asset.<hash>` folders are. */
  assetRoot?: string;
  stackName?: string;
  hostDriver: HostDriver;
  wireLog: WireLog;
  log(line: LambdaLine): void;
  now?: () => number;
  /** Override the template's values, in every function. `AWS_ENDPOINT_URL` is set anyway. */
  environmentOverrides?: Record<string, string>;
  /** Values of template parameters, by name, or by the SSM name that is their default. */
  templateParameters?: Record<string, string>;
  port?: number;
  alsoListenOn?: readonly string[];
  /** Whether rules fire by themselves; true by default. */
  schedules?: boolean;
}

export interface LocalAws {
  url: string;
  region: string;
  accountId: string;
  /** The deployed stack. @throws Error while nothing is deployed */
  readonly stack: StackDescription;
  /** Creates the stack, or updates it to this template without losing its data. */
  deployStack(template: unknown, assetRoot: string): Promise<StackDescription>;
  deleteStack(): Promise<void>;
  /** The deployed template; undefined if there is no stack. */
  deployedTemplate(): unknown;
  /** One image exists from the beginning: `defaultImage`, which is Amazon's own. */
  images: Images;
  queueUrl(name: string): string;
  credentials: Pick<Identities, 'root' | 'operator' | 'user' | 'role' | 'accessKeys' | 'roles'>;
  invoke(nameOrLogicalId: string, event: unknown): Promise<InvocationResult>;
  runSchedule(nameOrLogicalId: string): Promise<InvocationResult[]>;
  ec2: Ec2;
  ssm: Ssm;
  network: Network;
  /** Limits that are lower in a young account. */
  lambdaAccount: LambdaAccount;
  logs: LogStore;
  machines: Pick<Machines, 'knobs'>;
  notifications: Pick<Notifications, 'knobs'>;
  faults: Faults;
  close(): Promise<void>;
}

const region = 'us-east-1';
const accountId = '000000000000';
export const defaultImage = 'ami-0e0e0e0e0e0e0e0e0';
/** The account is bootstrapped for CDK; its assets come in another way here. */
const BOOTSTRAP_VERSION = '30';
/** The quota of an account that has requested more; a young one has 5. */
const VCPU_QUOTA = 1152;
/** Amazon Linux 2023, under the public parameters in which AWS names its newest image. */
const stockImages = [
  { id: defaultImage, architecture: 'x86_64' },
  { id: 'ami-0a0a0a0a0a0a0a0a0', architecture: 'arm64' },
] as const;
const stockParameter = '/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-';

export async function startAws(options: StartAwsOptions): Promise<LocalAws> {
  const now = options.now ?? Date.now;
  const newHexId = () => randomBytes(9).toString('hex').slice(0, 17);
  const images = createImages({ now, newId: newHexId });
  const logs = createLogStore(now);
  const faults = createFaults();
  const emulators = await startEmulators();
  const identities = createIdentities({ now, region, accountId });
  // The receiver listens before the template is read; its address is given out only when both are done.
  const late: {
    grants?: GrantDependencies;
    runner?: StackRunner;
    answer?: (call: Call, by: Principal) => Promise<Reply>;
  } = {};
  const receiver = await startReceiver({
    now,
    keyring: identities.keyring,
    wireLog: options.wireLog,
    faults,
    neededGrants: (call) => (late.grants ? neededGrants(call, late.grants) : []),
    resourcePolicy: (resource) =>
      late.runner?.current()?.resourcePolicies.get(resource.replace(/^(arn:aws:s3:::[^/]+)\/.*$/, '$1')) ??
      [],
    answer: (call, by) =>
      late.answer
        ? late.answer(call, by)
        : Promise.reject(new AwsError('ServiceUnavailable', 'not ready yet', 503)),
    ...(options.port !== undefined && { port: options.port }),
    ...(options.alsoListenOn && { alsoListenOn: options.alsoListenOn }),
  });
  const closers: (() => Promise<void>)[] = [receiver.close, emulators.close];

  try {
    return await openBehind();
  } catch (error) {
    await Promise.all(closers.map((close) => close()));
    throw error;
  }

  async function openBehind(): Promise<LocalAws> {
    const authority = new URL(receiver.url).host;
    const queueUrl = (name: string) => `${receiver.url}/${accountId}/${name}`;
    const stackName = options.stackName ?? 'eph-local';
    const live: LiveStack = {
      subnets: [],
      launchTemplates: [],
      documents: [],
      notifications: new Map(),
    };

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
      documents: live.documents,
      onDue: () => machines.deliver(),
    });
    const ec2: Ec2 = createEc2({
      now,
      newId: newHexId,
      subnets: live.subnets,
      launchTemplates: live.launchTemplates,
      image: (id) => imageBehind(id, images, ssm),
      onPower: (event) => machines.onPower(event),
      onState: ({ id, state }) => tellState(id, state),
      knobs: { vcpuLimit: VCPU_QUOTA },
    });
    for (const { id, architecture } of stockImages) {
      images.register({ id, architecture, owner: 'amazon', name: `al2023-ami-${architecture}` });
      ssm.parameters.publish(`${stockParameter}${architecture}`, id);
    }
    ssm.parameters.publish('/cdk-bootstrap/hnb659fds/version', BOOTSTRAP_VERSION);
    const network = createNetwork(live.subnets, region);
    const lambdaAccount: LambdaAccount = { concurrentExecutions: 1000 };
    late.grants = {
      region,
      accountId,
      ec2,
      images,
      partitionKeyOf: (table) =>
        late.runner?.current()?.tables.find(({ name }) => name === table)?.partitionKey,
      roleOfProfile: (profile) => identities.roleArnOfProfile(profile),
    };
    const sqs = (operation: string, params: object) => sqsCall({ emulators, authority }, operation, params);
    const notifications = createNotifications({
      region,
      notifications: live.notifications,
      send: async (queueName, MessageBody) =>
        void (await sqs('SendMessage', { QueueUrl: queueUrl(queueName), MessageBody })),
    });
    const runtime = createLambdaRuntime({
      functions: [],
      region,
      environmentOverrides: { AWS_ENDPOINT_URL: receiver.url, ...options.environmentOverrides },
      credentials: ({ roleName, name }) => identities.role(roleName, name),
      log: (line) => {
        const printed = late.runner?.current()?.functions.find(({ logicalId }) => logicalId === line.source);
        if (printed) logs.append(printed.logGroup, line.line);
        options.log(line);
      },
    });
    const functionUrls = await startFunctionUrls({
      urls: () => late.runner?.current()?.functionUrls ?? [],
      runtime,
      wireLog: options.wireLog,
      now,
    });
    closers.push(functionUrls.close);
    late.answer = createAnswer({
      emulators,
      ec2: { ec2, images, network, region },
      ssm,
      logs,
      lambdaAccount,
      runtime,
      notifications,
      identities,
      stack: { name: stackName, region, accountId, current: () => late.runner?.current() },
      now,
    });

    function tellState(id: string, state: string): void {
      const event = {
        source: 'aws.ec2',
        detailType: 'EC2 Instance State-change Notification',
        resources: [`arn:aws:ec2:${region}:${accountId}:instance/${id}`],
        detail: { 'instance-id': id, state },
      };
      late.runner
        ?.publish(event)
        .catch((error: unknown) => options.log({ source: 'events', line: String(error) }));
    }

    const runner = createStackRunner({
      facts: {
        stackName,
        region,
        accountId,
        parameters: options.templateParameters ?? {},
        queueUrl,
        functionUrl: functionUrls.of,
      },
      target: { emulators, ssm, authority, region, accountId },
      live,
      identities,
      runtime,
      logs,
      now,
      log: options.log,
      schedules: options.schedules ?? true,
    });
    late.runner = runner;
    if (options.template !== undefined) await runner.deploy(options.template, options.assetRoot ?? 'cdk.out');

    return {
      url: receiver.url,
      region,
      accountId,
      get stack() {
        const stack = runner.current();
        if (!stack) throw new Error('Nothing is deployed on the local AWS.');
        return stack;
      },
      deployStack: runner.deploy,
      deleteStack: runner.delete,
      deployedTemplate: runner.template,
      images,
      queueUrl,
      credentials: identities,
      invoke: runtime.invoke,
      runSchedule: runner.runSchedule,
      ec2,
      ssm,
      network,
      lambdaAccount,
      logs,
      machines,
      notifications,
      faults,
      async close() {
        const drained = runner.close();
        await machines.close();
        await functionUrls.close();
        await runtime.close();
        await receiver.close();
        await emulators.close();
        await drained;
      },
    };
  }
}

function imageBehind(id: string, images: Images, ssm: Ssm): string | undefined {
  const [, parameter] = /^resolve:ssm:(.+)$/.exec(id) ?? [];
  return images.find(parameter ? ssm.parameters.get(parameter, false).value : id)?.id;
}
