import { createHash } from 'node:crypto';
import type { SQSEvent } from 'aws-lambda';
import { environmentKey } from '#core/environment-key';
import type { Summary } from '#core/summary';
import { type Config, loadConfig } from '../../lambdas/config.ts';
import { keyedHash } from '../../lambdas/keyed-hash.ts';
import type { LogLine, Ports } from '../../lambdas/ports.ts';
import { cloudflareIngress } from '../../lambdas/providers/cloudflare/cloudflare-ingress.ts';
import type { Tunnels } from '../../lambdas/providers/cloudflare/tunnels.ts';
import type { Compute } from '../../lambdas/providers/compute.ts';
import { ec2Compute, ec2Settings } from '../../lambdas/providers/ec2/ec2-compute.ts';
import type { Ec2Ports } from '../../lambdas/providers/ec2/ec2-ports.ts';
import type { Forge } from '../../lambdas/providers/forge.ts';
import { githubForge } from '../../lambdas/providers/github/github-forge.ts';
import type { Handle } from '../../lambdas/providers/handle.ts';
import type { World } from '../../lambdas/reconcile/run.ts';
import { type SweepTask, sweep } from '../../lambdas/sweep/sweep.ts';
import { takeBatch } from '../../lambdas/take-batch.ts';
import { createEc2, type Ec2, type Instance } from '../../local/aws/ec2.ts';
import { type Cloudflare, createCloudflare } from '../../local/cloudflare/cloudflare.ts';
import { createGithub, type Github } from '../../local/github/github.ts';
import { chooseJob } from '../../worker/choose-job.ts';
import { ec2Units } from './ec2-units.ts';
import { fakeGithubWire } from './fake-github-wire.ts';
import { type FakeHosts, fakeHosts } from './fake-hosts.ts';
import { fakeMachines } from './fake-machines.ts';
import { fakeTunnels } from './fake-tunnels.ts';
import { forgetExpired, memoryEnvironments } from './memory-environments.ts';
import { type MemoryMailbox, memoryMailbox } from './memory-mailbox.ts';
import { type MemoryOperator, memoryOperator } from './memory-operator.ts';
import { type MemoryQueue, memoryQueue, type QueuedMessage } from './memory-queue.ts';
import { type MemoryRecords, memoryRecords } from './memory-records.ts';
import { type MemoryItems, memoryItems } from './memory-table.ts';
import type { Units } from './units.ts';
import { atOnce, reading, type Wire } from './wire.ts';

/**
 * The control plane among fakes: real job choice, real decoding, real reconciler, real sweep; the vendors'
 * state machines, machines that behave as the agent, one clock that only `advance` moves.
 *
 * Gotchas
 * - `deliverAll` does what is due now; `advance` goes from event to event (messages coming into sight,
 *   machines booting and building) and stops at the time asked for. The schedule runs only when asked: `sweep`.
 * - Every message is taken by a process of its own, so that a watch can let one die in the middle: the
 *   message then comes into sight again after the queue's visibility timeout, as with a Lambda that is gone.
 */
export interface Clouds {
  clock: Clock;
  github: Github;
  ec2: Ec2;
  cloudflare: Cloudflare;
  hosts: FakeHosts;
  /** What commits contain, by SHA; the default is an app without `eph.yaml`. */
  files: Map<string, Record<string, string>>;
  /** Who is told when a machine has come to rest. */
  onRest: Set<(instance: Instance) => void>;
}

export interface Clock {
  now(): number;
  newId(): string;
  set(at: number): void;
  move(ms: number): void;
}

/** Stands between the code and what it calls: may look, wait, fail before or after the effect, or never answer. */
export type Watch = <T>(call: string, perform: () => Promise<T>) => Promise<T>;

/** A process that is warm: what its adapters remember, they remember for all of its runs. */
export type Container = (wire: Wire, of?: QueuedMessage) => World & { aws: Ec2Ports };

export interface TestWorld extends Clouds {
  config: Config;
  /** Of one process, unwatched. */
  ports: Ports;
  rows: MemoryItems;
  /** Under the providers, unwatched. */
  tunnels: Tunnels;
  aws: Ec2Ports;
  /** What exists and serves, in whichever cloud environments run here. */
  units: Units;
  records: MemoryRecords;
  mailbox: MemoryMailbox;
  operator: MemoryOperator;
  /** Of applications, by repository id; of another forge by `<forge>/<repository id>`. */
  secrets: Map<number | string, Record<string, string>>;
  queue: MemoryQueue;
  /** Of runs in a row, each begun by what the one before it sent; Lambda would end it after 16. */
  longestChain: number;
  /** What left the process, as vendors call it. */
  calls: string[];
  logs: LogLine[];
  /** Stands before every call that the code makes from now on; undefined: nobody does. */
  watch: Watch | undefined;
  /** Webhooks are answered with 500, as if the queue were down. */
  webhooksFail: boolean;
  forget(): void;
  startContainer(): Container;
  /** A row as another version of Eph writes it. */
  rewrite(key: string, change: (row: Record<string, unknown>) => Record<string, unknown>): void;
  deliverAll(): Promise<void>;
  advance(ms: number): Promise<void>;
  /** True: it ended; false: it died in the middle. */
  sweep(task: SweepTask): Promise<boolean>;
  /** A message straight into the code, outside of the queue. */
  take(body: string): Promise<Taken>;
  /** Several in one batch, called `0`, `1`, ... */
  takeAll(bodies: readonly string[]): Promise<Taken>;
}

type Taken = { batchItemFailures: { itemIdentifier: string }[] } | 'died';

export const ORIGIN = Date.UTC(2026, 0, 5, 9);
const ZONE = 'eph.test';
const SUBNETS = ['subnet-a', 'subnet-b'];
const ROLE_ID = 'AROATESTHOST';
/** A run that takes more calls than any story needs is a loop. */
const MAX_MESSAGES = 2_000;
const keys = { publicKey: 'not used', privateKey: 'not used' };

function testConfig(overrides: Record<string, string> = {}): Config {
  return loadConfig({
    AWS_REGION: 'us-east-1',
    ENVIRONMENTS_TABLE: 'environments',
    BUILDS_TABLE: 'builds',
    HOSTS_TABLE: 'hosts',
    EVENTS_TABLE: 'events',
    JOB_QUEUE_URL: 'https://sqs.test/jobs',
    DEAD_LETTER_QUEUE_URL: 'https://sqs.test/dead',
    MAILBOX_BUCKET: 'mailbox',
    HOST_ROLE_ID: ROLE_ID,
    LAUNCH_TEMPLATE_ID: 'lt-0e0e0e0e0e0e0e0e0',
    LAUNCH_TEMPLATE_VERSION: '1',
    SUBNET_IDS: SUBNETS.join(','),
    IMAGE_PARAMETER: '/eph/image',
    IMAGE_ARM64_PARAMETER: '/eph/image-arm64',
    PAUSED_PARAMETER: '/eph/paused',
    REPOSITORY_SECRETS_PATH: '/eph/repositories',
    DEFAULT_INSTANCE_TYPES: 't3.small',
    DEFAULT_INSTANCE_TYPES_ARM64: 't4g.small',
    RING_DOCUMENT: 'eph-ring',
    AGENT_SHA256: 'a'.repeat(64),
    PROVISION_SHA256: '',
    DEPLOYMENT_ID: 'test',
    REPOSITORIES: 'acme/*',
    PREVIEW_ZONE: ZONE,
    PREVIEW_ZONE_ID: 'zone',
    PREVIEW_SUFFIX: `-pr.${ZONE}`,
    PREVIEW_URL_TEMPLATE: 'https://{host}',
    CLOUDFLARE_ACCOUNT_ID: 'account',
    CLOUDFLARE_API_URL: 'https://cloudflare.test',
    GITHUB_API_URL: 'https://github.test/api/v3',
    ACCESS_TEAM: 'team',
    ACCESS_AUD: 'aud',
    GITHUB_APP_ID: '1',
    GITHUB_APP_KEY_PARAMETER: '/eph/github',
    CLOUDFLARE_TOKEN_PARAMETER: '/eph/cloudflare',
    NAME_KEY_PARAMETER: '/eph/name',
    TERMINATE_AFTER_SECONDS: '0',
    IDLE_STOP_SECONDS: '86400',
    ...overrides,
  });
}

interface WorldOptions {
  config?: Record<string, string>;
  /** Share the clouds of another Eph. */
  clouds?: TestWorld;
  /** Milliseconds that every call takes. */
  latency?: number;
  /** Another forge beside GitHub, with the prefix `plain`. */
  forge?: (wire: Wire) => Forge<Summary>;
  /** Another cloud than EC2. */
  cloud?: OtherCloud;
}

/** Goes by the world's clock, and its messages come by the world's queue. */
export interface OtherCloud {
  join(world: { now(): number; newId(): string; push(body: string): void }): void;
  connect(wire: Wire): Compute;
  /** When the next thing happens in it. */
  nextAt(): number | undefined;
  /** Everything that is due. */
  act(): void;
  /** Names of all that exists. */
  units(): string[];
  unitOf(handle: Handle | undefined): string | undefined;
  /** The commit that visitors see. */
  served(handle: Handle | undefined): string | undefined;
}

export function createWorld(options: WorldOptions = {}): TestWorld {
  const config = testConfig(options.config);
  const clock = options.clouds?.clock ?? newClock();
  let mailbox: MemoryMailbox | undefined;
  const theMailbox = (): MemoryMailbox => {
    if (!mailbox) throw new Error('the mailbox is made after the machines');
    return mailbox;
  };
  const clouds = options.clouds ?? createClouds(clock, theMailbox);
  const queue = memoryQueue(clock);
  mailbox = memoryMailbox({
    roleId: ROLE_ID,
    onMail: clouds.hosts.onMail,
    onReport: (key) => queue.push(notification(key)),
  });
  const boxes = mailbox;
  const records = memoryRecords(clock.now);
  const operator = memoryOperator(clock.now);
  const secrets: TestWorld['secrets'] = new Map();
  const rows = memoryItems(clock.now);
  const nameHash = keyedHash('name key');
  options.cloud?.join({ now: clock.now, newId: clock.newId, push: queue.push });
  const actors = [clouds.hosts, ...(options.cloud ? [options.cloud] : [])];

  function startContainer(): Container {
    const operatorOver = operator.process();
    const recordsOver = records.process();
    const githubOver = fakeGithubWire(clouds.github, {
      now: clock.now,
      files: (sha) => clouds.files.get(sha) ?? {},
    });
    return (wire, of) => {
      const { pause, image } = operatorOver(wire);
      const records = recordsOver(wire);
      const log = (line: LogLine) => world.logs.push(line);
      const aws: Ec2Ports = {
        machines: fakeMachines(
          clouds.ec2,
          {
            deploymentId: config.DEPLOYMENT_ID,
            subnetIds: SUBNETS,
            launchTemplateId: config.LAUNCH_TEMPLATE_ID,
            image,
          },
          wire,
        ),
        bell: clouds.hosts.bellOver(wire),
        mailbox: boxes.over(wire),
        hosts: records,
        log,
      };
      const github = githubForge({
        wire: githubOver(wire),
        deploymentId: config.DEPLOYMENT_ID,
        now: clock.now,
        log: (line) => world.logs.push(line),
      });
      const ports: Ports = {
        now: clock.now,
        newId: clock.newId,
        environments: memoryEnvironments(rows, wire),
        records,
        compute: options.cloud?.connect(wire) ?? ec2Compute(aws, ec2Settings(config), clock.now),
        operator: { pause },
        secrets: {
          of(repositoryId, forge) {
            const folder = forge === undefined ? repositoryId : `${forge}/${repositoryId}`;
            return wire(reading('ssm GetParametersByPath', folder), () => ({ ...secrets.get(folder) }));
          },
        },
        ingress: cloudflareIngress(fakeTunnels(clouds.cloudflare, config.DEPLOYMENT_ID, wire), {
          deploymentId: config.DEPLOYMENT_ID,
          suffix: config.PREVIEW_SUFFIX,
          urlTemplate: config.PREVIEW_URL_TEMPLATE,
        }),
        forges: new Map([
          [undefined, github],
          ...(options.forge ? [['plain', options.forge(wire)] as const] : []),
        ]),
        jobs: queue.jobsOver(wire, of),
        log,
      };
      return { ports, config, nameHash, aws };
    };
  }
  const container = startContainer();
  const unwatched = container(atOnce);

  /** A run, whose calls are counted and watched, and a promise that resolves when it died. */
  function startRun(of?: QueuedMessage): { world: World; died: Promise<'died'> } {
    let die: () => void = () => undefined;
    let dead = false;
    const died = new Promise<'died'>((resolve) => {
      die = () => {
        dead = true;
        resolve('died');
      };
    });
    const never = () => new Promise<never>(() => undefined);
    const wire: Wire = async (op, effect) => {
      if (dead) return never();
      world.calls.push(op.name);
      clock.move(options.latency ?? 0);
      if (!world.watch) return effect();
      try {
        return await world.watch(op.name, async () => effect());
      } catch (error) {
        if (!(error instanceof Death)) throw error;
        die();
        return never();
      }
    };
    return { world: container(wire, of), died };
  }

  async function takeBatchOf(event: ReturnType<typeof batchOf>, of?: QueuedMessage): Promise<Taken> {
    const run = startRun(of);
    return Promise.race([takeBatch(event, run.world), run.died]);
  }
  const take = (body: string, of?: QueuedMessage) => takeBatchOf(batchOf(of?.id ?? 'direct', body), of);

  async function takeOne(message: QueuedMessage): Promise<void> {
    world.longestChain = Math.max(world.longestChain, message.chain + 1);
    const answer = await take(message.body, message);
    if (answer !== 'died' && answer.batchItemFailures.length === 0) queue.delete(message.id);
  }

  const world: TestWorld = {
    ...clouds,
    clock,
    config,
    ports: unwatched.ports,
    aws: unwatched.aws,
    units: options.cloud ? otherUnits(options.cloud) : ec2Units(clouds.ec2, clouds.hosts, unwatched.aws),
    rows,
    tunnels: fakeTunnels(clouds.cloudflare, config.DEPLOYMENT_ID, atOnce),
    records,
    mailbox,
    operator,
    secrets,
    queue,
    longestChain: 0,
    calls: [],
    logs: [],
    watch: undefined,
    webhooksFail: false,
    forget: () => forgetExpired(rows, clock.now()),
    startContainer,
    take: (body) => take(body),
    takeAll: (bodies) =>
      takeBatchOf({ Records: bodies.flatMap((body, index) => batchOf(String(index), body).Records) }),
    rewrite(key, change) {
      const row = rows.get(key);
      if (!row) throw new Error(`there is no row ${key}`);
      rows.put(change(row));
    },

    async deliverAll() {
      for (let count = 0; count < MAX_MESSAGES; count += 1) {
        for (const actor of actors) actor.act();
        const message = queue.receive();
        if (!message) return;
        await takeOne(message);
      }
      throw new Error('the queue does not come to rest');
    },

    async advance(ms) {
      const end = clock.now() + ms;
      for (;;) {
        await world.deliverAll();
        const next = Math.min(...[queue, ...actors].map((one) => one.nextAt() ?? Number.POSITIVE_INFINITY));
        if (next > end) break;
        clock.set(Math.max(next, clock.now()));
      }
      clock.set(Math.max(end, clock.now()));
    },

    async sweep(task) {
      const run = startRun();
      return (await Promise.race([sweep(task, run.world), run.died])) !== 'died';
    },
  };
  listenToGithub(world, options.clouds === undefined);
  // EventBridge tells every Eph of an account of every machine in it.
  clouds.onRest.add((instance) => queue.push(stateChange(clock.newId(), instance)));
  return world;
}

function otherUnits({ units, unitOf, served }: OtherCloud): Units {
  return {
    exist: async () => ({ instances: units(), mailboxes: [], hostRows: [] }),
    expectedOf(handle) {
      const unit = unitOf(handle);
      return { instances: unit === undefined ? [] : [unit], mailboxes: [], hostRows: [] };
    },
    served,
  };
}

/** What a watch throws to end the process: nothing that it would still have done happens. */
export class Death extends Error {}

function newClock(): Clock {
  let now = ORIGIN;
  let ids = 0;
  return {
    now: () => now,
    newId: () => {
      ids += 1;
      return `00000000-0000-4000-8000-${ids.toString(16).padStart(12, '0')}`;
    },
    set(at) {
      now = at;
    },
    move(ms) {
      now += ms;
    },
  };
}

function createClouds(clock: Clock, mailbox: () => MemoryMailbox): Omit<Clouds, 'clock'> {
  const cloudflare = createCloudflare({ zone: ZONE, ...clock });
  const hosts = fakeHosts({ now: clock.now, mailbox, cloudflare });
  const onRest: Clouds['onRest'] = new Set();
  const ec2: Ec2 = createEc2({
    now: clock.now,
    newId: () => clock.newId().replaceAll('-', '').slice(-17),
    subnets: SUBNETS.map((id, index) => ({
      id,
      zone: `us-east-1${'ab'.charAt(index)}`,
      vpcId: 'vpc-1',
      publicIp: true,
    })),
    launchTemplates: [
      {
        id: 'lt-0e0e0e0e0e0e0e0e0',
        name: 'eph',
        defaultVersion: 1,
        versions: [{ version: 1, data: {} }],
      },
    ],
    image: (id) => id,
    onState: (instance) => {
      if (instance.state !== 'stopped' && instance.state !== 'terminated') return;
      for (const tell of onRest) tell(instance);
    },
    onPower: (event) => {
      hosts.onPower(event);
      ec2.settled(event.instance.id);
    },
  });
  const links = {
    api: 'https://github.test/api/v3',
    html: 'https://github.test',
    reachable: 'https://github.test',
  };
  const github = createGithub({ ...clock, links, keys, hookUrl: 'https://worker.test/webhooks/github' });
  return { github, ec2, cloudflare, hosts, files: new Map(), onRest };
}

/** GitHub's webhook through the Worker's own choice into the queue. A second Eph in the same clouds is deaf. */
function listenToGithub(world: TestWorld, listens: boolean): void {
  if (!listens) return;
  const { deliveries } = world.github;
  deliveries.onDelivery((delivery) => {
    const answer = (statusCode: number) =>
      deliveries.finished(delivery, { status: '', statusCode, durationSeconds: 0, headers: {}, body: '' });
    if (world.webhooksFail) return answer(500);
    const choice = chooseJob(delivery.event, delivery.guid, JSON.parse(delivery.body));
    if ('problem' in choice) throw new Error(choice.problem);
    if ('job' in choice) world.queue.push(JSON.stringify(choice.job));
    answer(202);
  });
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html */
function notification(key: string): string {
  const object = { key: encodeURIComponent(key).replaceAll('%2F', '/'), sequencer: '0055AED6DCD90281E5' };
  return JSON.stringify({ Records: [{ eventSource: 'aws:s3', s3: { object } }] });
}

/** https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/monitoring-instance-state-changes.html */
export function stateChange(eventId: string, instance: Pick<Instance, 'id' | 'state'>): string {
  return JSON.stringify({
    version: '0',
    id: eventId,
    'detail-type': 'EC2 Instance State-change Notification',
    source: 'aws.ec2',
    account: '123456789012',
    time: '2026-11-21T08:00:00Z',
    region: 'us-east-1',
    resources: [`arn:aws:ec2:us-east-1:123456789012:instance/${instance.id}`],
    detail: { 'instance-id': instance.id, state: instance.state },
  });
}

export function batchOf(messageId: string, body: string): SQSEvent {
  const record = {
    messageId,
    body,
    receiptHandle: messageId,
    attributes: {
      ApproximateReceiveCount: '1',
      SentTimestamp: '0',
      SenderId: 'worker',
      ApproximateFirstReceiveTimestamp: '0',
    },
    messageAttributes: {},
    md5OfBody: '',
    eventSource: 'aws:sqs',
    eventSourceARN: 'arn:aws:sqs:us-east-1:000000000000:jobs',
    awsRegion: 'us-east-1',
  };
  return { Records: [record] };
}

export function keyOf(repositoryId: number, number: number): string {
  return environmentKey(repositoryId, number);
}

export function shaOf(text: string): string {
  return createHash('sha1').update(text).digest('hex');
}
