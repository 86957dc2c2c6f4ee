/** EC2 on the wire: query parameters in, XML out. https://docs.aws.amazon.com/AWSEC2/latest/APIReference/ */
import { randomUUID } from 'node:crypto';
import { AwsError } from './aws-error.ts';
import { type Reply, xmlReply } from './aws-protocol.ts';
import type { Ec2, Instance, StateChange } from './ec2.ts';
import { imageOperations } from './ec2-images-wire.ts';
import { vcpusOf } from './ec2-instance.ts';
import type { RunInstancesRequest } from './ec2-launch.ts';
import { networkOperations } from './ec2-network-wire.ts';
import {
  flag,
  optional,
  type Params,
  readFilters,
  readPage,
  readTags,
  render,
  subtree,
  type Tree,
  tagsXml,
  text,
  texts,
  toTree,
  trees,
  type Xml,
  type XmlFields,
} from './ec2-query.ts';
import type { Images } from './images.ts';
import type { Network } from './network.ts';
import { operationNamed } from './operation-named.ts';

const stateCodes = {
  pending: 0,
  running: 16,
  'shutting-down': 32,
  terminated: 48,
  stopping: 64,
  stopped: 80,
};

/** The parts of the EC2 API: machines, their images and templates, and their networks. */
export interface Ec2Dependencies {
  ec2: Ec2;
  images: Images;
  network: Network;
  region: string;
}

export type Ec2Operation = (deps: Ec2Dependencies, tree: Tree, params: Params) => XmlFields;

export const ec2Operations: Readonly<Record<string, Ec2Operation>> = {
  RunInstances: ({ ec2, region }, _, params) =>
    reservationXml(ec2.runInstances(readRunInstances(params)), region),
  DescribeInstances({ ec2, region }, tree) {
    const { instances, nextToken } = ec2.describeInstances({
      instanceIds: idsIn(tree),
      filters: readFilters(tree),
      ...readPage(tree),
    });
    const reservations = Object.values(Object.groupBy(instances, ({ reservationId }) => reservationId));
    return { reservationSet: reservations.map((group) => reservationXml(group ?? [], region)), nextToken };
  },
  StartInstances: ({ ec2 }, tree) => changesXml(ec2.startInstances(idsIn(tree))),
  StopInstances: ({ ec2 }, tree) => changesXml(ec2.stopInstances(idsIn(tree))),
  TerminateInstances: ({ ec2 }, tree) => changesXml(ec2.terminateInstances(idsIn(tree))),
  ...imageOperations,
  ...networkOperations,
};

/** @throws AwsError */
export function answerEc2(deps: Ec2Dependencies, operation: string, params: Params): Reply {
  const perform = operationNamed(ec2Operations, operation);
  if (!perform) {
    throw new AwsError(
      'InvalidAction',
      `The action ${operation} is not valid for this web service (the local platform does not offer it).`,
    );
  }
  const tree = toTree(params);
  if (text(tree, 'DryRun') === 'true') {
    throw new AwsError('DryRunOperation', 'Request would have succeeded, but DryRun flag is set.', 412);
  }
  const content = render({ requestId: randomUUID(), ...perform(deps, tree, params) });
  return xmlReply(
    `<${operation}Response xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">${content}</${operation}Response>`,
  );
}

function idsIn(tree: Tree): string[] {
  return texts(tree, 'InstanceId');
}

export function readRunInstances(params: Params): RunInstancesRequest {
  const tree = toTree(params);
  const interfaces = trees(tree, 'NetworkInterface').map((nic) => ({
    deviceIndex: Number(text(nic, 'DeviceIndex') ?? 0),
    subnetId: text(nic, 'SubnetId'),
    groups: optional(texts(nic, 'SecurityGroupId')),
    associatePublicIp: flag(text(nic, 'AssociatePublicIpAddress')),
  }));
  const specifications = trees(tree, 'TagSpecification').map(
    (one) => [text(one, 'ResourceType') ?? '', readTags(trees(one, 'Tag'))] as const,
  );
  const template = subtree(tree, 'LaunchTemplate');
  const profile = subtree(tree, 'IamInstanceProfile');
  const behavior = text(tree, 'InstanceInitiatedShutdownBehavior');
  return {
    imageId: text(tree, 'ImageId'),
    instanceType: text(tree, 'InstanceType'),
    subnetId: text(tree, 'SubnetId'),
    securityGroupIds: optional(texts(tree, 'SecurityGroupId')),
    networkInterfaces: optional(interfaces),
    instanceProfile: profile && (text(profile, 'Arn') ?? text(profile, 'Name')),
    userData: text(tree, 'UserData'),
    shutdownBehavior: behavior === 'stop' || behavior === 'terminate' ? behavior : undefined,
    cpuCredits: text(subtree(tree, 'CreditSpecification') ?? {}, 'CpuCredits'),
    tags: specifications.length > 0 ? Object.fromEntries(specifications) : undefined,
    minCount: Number(text(tree, 'MinCount') ?? Number.NaN),
    maxCount: Number(text(tree, 'MaxCount') ?? Number.NaN),
    clientToken: text(tree, 'ClientToken'),
    launchTemplate: template && {
      id: text(template, 'LaunchTemplateId'),
      name: text(template, 'LaunchTemplateName'),
      version: text(template, 'Version'),
    },
  };
}

function reservationXml(instances: Instance[], region: string): XmlFields {
  return {
    reservationId: instances[0]?.reservationId,
    ownerId: '000000000000',
    groupSet: [],
    instancesSet: instances.map((instance) => instanceXml(instance, region)),
  };
}

function instanceXml(instance: Instance, region: string): Xml {
  const dash = (address: string) => address.replaceAll('.', '-');
  return {
    instanceId: instance.id,
    imageId: instance.imageId,
    instanceState: { code: stateCodes[instance.state], name: instance.state },
    privateDnsName: `ip-${dash(instance.privateIp)}.ec2.internal`,
    dnsName: instance.publicIpNow ? `ec2-${dash(instance.publicIpNow)}.${region}.compute.amazonaws.com` : '',
    reason: instance.stateReason ? 'User initiated' : '',
    amiLaunchIndex: 0,
    instanceType: instance.instanceType,
    cpuOptions: { coreCount: vcpusOf(instance.instanceType) / 2, threadsPerCore: 2 },
    launchTime: new Date(instance.launchedAt).toISOString(),
    placement: { availabilityZone: instance.subnet.zone, tenancy: 'default' },
    monitoring: { state: 'disabled' },
    subnetId: instance.subnet.id,
    vpcId: instance.subnet.vpcId,
    privateIpAddress: instance.privateIp,
    ipAddress: instance.publicIpNow,
    stateReason: instance.stateReason,
    groupSet: instance.securityGroupIds.map((groupId) => ({ groupId, groupName: groupId })),
    rootDeviceType: 'ebs',
    rootDeviceName: '/dev/xvda',
    blockDeviceMapping: [
      {
        deviceName: '/dev/xvda',
        ebs: { volumeId: instance.volume.id, status: 'attached', deleteOnTermination: true },
      },
    ],
    clientToken: instance.clientToken ?? '',
    tagSet: tagsXml(instance.tags['instance'] ?? {}),
    iamInstanceProfile: instance.instanceProfile ? { arn: instance.instanceProfile } : undefined,
  };
}

function changesXml(changes: StateChange[]): XmlFields {
  return {
    instancesSet: changes.map(({ instanceId, previous, current }) => ({
      instanceId,
      currentState: { code: stateCodes[current], name: current },
      previousState: { code: stateCodes[previous], name: previous },
    })),
  };
}
