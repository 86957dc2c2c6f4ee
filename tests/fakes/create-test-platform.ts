import { environmentKey } from '#core/environment-key';
import type { Summary } from '#core/summary';
import { chooseJob } from '#webhook/choose-job';
import { cloudflareIngress } from '../../lambdas/providers/cloudflare/cloudflare-ingress.ts';
import type { Tunnels } from '../../lambdas/providers/cloudflare/tunnels.ts';
import { ec2Compute, ec2Settings } from '../../lambdas/providers/ec2/ec2-compute.ts';
import type { Ec2Ports } from '../../lambdas/providers/ec2/ec2-ports.ts';
import type { Forge } from '../../lambdas/providers/forge.ts';
import { githubForge } from '../../lambdas/providers/github/github-forge.ts';
import { createEc2, type Ec2, type Instance } from '../../local/aws/ec2.ts';
import { type Cloudflare, createCloudflare } from '../../local/cloudflare/cloudflare.ts';
import { createGithub, type Github } from '../../local/github/github.ts';
import { type Clock, newClock } from './clock.ts';
import {
  type Connect,
  type ControlPlane,
  createControlPlane,
  type Providers,
} from './create-control-plane.ts';
import { ec2Units } from './ec2-units.ts';
import { fakeGithubWire } from './fake-github-wire.ts';
import { type FakeHosts, fakeHosts } from './fake-hosts.ts';
import { fakeMachines } from './fake-machines.ts';
import { fakeTunnels } from './fake-tunnels.ts';
import { memoryHosts } from './memory-hosts.ts';
import { type MemoryMailbox, memoryMailbox } from './memory-mailbox.ts';
import { memoryQueue } from './memory-queue.ts';
import type { OtherCloud } from './other-cloud.ts';
import { ROLE_ID, SUBNETS, testConfig, ZONE } from './test-config.ts';
import type { Units } from './units.ts';
import { atOnce, type Wire } from './wire.ts';

export { ORIGIN } from './clock.ts';
export { batchOf, type Container, Death, shaOf, type Watch } from './create-control-plane.ts';

/**
 * The control plane among the vendors' state machines: real code of the Worker, machines that behave as the agent, one clock
 * for all of them.
 */
export interface Vendors {
  github: Github;
  ec2: Ec2;
  cloudflare: Cloudflare;
  hosts: FakeHosts;
  /** The files of commits, by SHA; the default is an app without `eph.yaml`. */
  files: Map<string, Record<string, string>>;
  /** Called when a machine has stopped or is terminated. */
  onRest: Set<(instance: Instance) => void>;
}

/** The ports under the vendors' providers, of one process. */
interface VendorProviders extends Providers {
  aws: Ec2Ports;
}

export interface TestPlatform extends Vendors, ControlPlane<VendorProviders> {
  /** The ports under the providers, unwatched. */
  tunnels: Tunnels;
  aws: Ec2Ports;
  /** The units that exist and serve, in the cloud where environments run here. */
  units: Units;
  mailbox: MemoryMailbox;
  /** True: webhooks are answered with 500, as if the queue were down. */
  webhooksFail: boolean;
}

const keys = { publicKey: 'not used', privateKey: 'not used' };

interface TestPlatformOptions {
  config?: Record<string, string>;
  /** Shares the vendors with another Eph. */
  vendors?: TestPlatform;
  /** Milliseconds that every call takes. */
  latency?: number;
  /** A second forge beside GitHub, with the prefix `plain`. */
  forge?: (wire: Wire) => Forge<Summary>;
  /** A cloud in place of EC2. */
  cloud?: OtherCloud;
}

export function createTestPlatform(options: TestPlatformOptions = {}): TestPlatform {
  const config = testConfig(options.config);
  const clock = options.vendors?.clock ?? newClock();
  let mailbox: MemoryMailbox | undefined;
  const theMailbox = (): MemoryMailbox => {
    if (!mailbox) throw new Error('the mailbox is made after the machines');
    return mailbox;
  };
  const vendors = options.vendors ?? createVendors(clock, theMailbox);
  const queue = memoryQueue(clock);
  mailbox = memoryMailbox({
    roleId: ROLE_ID,
    onWrite: vendors.hosts.onWrite,
    onReport: (key) => queue.push(notification(key)),
  });
  const boxes = mailbox;
  const hosts = memoryHosts(clock.now);
  options.cloud?.join({ now: clock.now, newId: clock.newId, push: queue.push });

  function startProviders(log: ControlPlane['ports']['log']): Connect<VendorProviders> {
    const hostsOver = hosts.process();
    const githubOver = fakeGithubWire(vendors.github, {
      now: clock.now,
      files: (sha) => vendors.files.get(sha) ?? {},
    });
    return (wire, { image }) => {
      const aws: Ec2Ports = {
        machines: fakeMachines(
          vendors.ec2,
          {
            deploymentId: config.DEPLOYMENT_ID,
            subnetIds: SUBNETS,
            launchTemplateId: config.LAUNCH_TEMPLATE_ID,
            image,
          },
          wire,
        ),
        notifier: vendors.hosts.notifierOver(wire),
        mailbox: boxes.over(wire),
        hosts: hostsOver(wire),
        log,
      };
      const github = githubForge({
        wire: githubOver(wire),
        deploymentId: config.DEPLOYMENT_ID,
        now: clock.now,
        log,
      });
      return {
        aws,
        compute: options.cloud?.connect(wire) ?? ec2Compute(aws, ec2Settings(config), clock.now),
        ingress: cloudflareIngress(fakeTunnels(vendors.cloudflare, config.DEPLOYMENT_ID, wire), {
          deploymentId: config.DEPLOYMENT_ID,
          suffix: config.PREVIEW_SUFFIX,
          urlTemplate: config.PREVIEW_URL_TEMPLATE,
        }),
        forges: new Map([
          [undefined, github],
          ...(options.forge ? [['plain', options.forge(wire)] as const] : []),
        ]),
      };
    };
  }

  const plane = createControlPlane({
    config,
    clock,
    queue,
    latency: options.latency,
    actors: [vendors.hosts, ...(options.cloud ? [options.cloud] : [])],
    startProviders,
  });
  const { aws } = plane.provided;
  const { github, ec2, cloudflare, files, onRest } = vendors;
  const platform: TestPlatform = Object.assign(plane, {
    github,
    ec2,
    cloudflare,
    hosts: vendors.hosts,
    files,
    onRest,
    aws,
    units: options.cloud ? otherUnits(options.cloud) : ec2Units(vendors.ec2, vendors.hosts, aws),
    tunnels: fakeTunnels(vendors.cloudflare, config.DEPLOYMENT_ID, atOnce),
    mailbox,
    webhooksFail: false,
  });
  listenToGithub(platform, options.vendors === undefined);
  // EventBridge sends the events of every machine of an account to every Eph in it.
  vendors.onRest.add((instance) => queue.push(stateChange(clock.newId(), instance)));
  return platform;
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

function createVendors(clock: Clock, mailbox: () => MemoryMailbox): Vendors {
  const cloudflare = createCloudflare({ zone: ZONE, ...clock });
  const hosts = fakeHosts({ now: clock.now, mailbox, cloudflare });
  const onRest: Vendors['onRest'] = new Set();
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
      ec2.finalized(event.instance.id);
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

/** Passes GitHub's webhook through the Worker's code into the queue. A second Eph at the same vendors receives none. */
function listenToGithub(platform: TestPlatform, listens: boolean): void {
  if (!listens) return;
  const { deliveries } = platform.github;
  deliveries.onDelivery((delivery) => {
    const answer = (statusCode: number) =>
      deliveries.finished(delivery, { status: '', statusCode, durationSeconds: 0, headers: {}, body: '' });
    if (platform.webhooksFail) return answer(500);
    const choice = chooseJob(delivery.event, delivery.guid, JSON.parse(delivery.body));
    if ('problem' in choice) throw new Error(choice.problem);
    if ('job' in choice) platform.queue.push(JSON.stringify(choice.job));
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

export function keyOf(repositoryId: number, number: number): string {
  return environmentKey(repositoryId, number);
}
