/** EC2 on the wire: query parameters in, XML out. https://docs.aws.amazon.com/AWSEC2/latest/APIReference/ */
import { randomUUID } from 'node:crypto';
import { AwsError } from './aws-error.ts';
import { escapeXml, type Reply, xmlReply } from './aws-protocol.ts';
import type { Ec2, Instance, StateChange, Volume } from './ec2.ts';
import type { Filter, Page } from './ec2-filters.ts';
import { type RunInstancesRequest, type Tags, versionNumber } from './ec2-launch.ts';

type Params = Record<string, unknown>;
/** Query parameters as a tree: `Tag.1.Key=a` is `{ Tag: { 1: { Key: 'a' } } }`. */
interface Tree {
  [name: string]: string | Tree;
}
type Xml = string | number | boolean | undefined | { [tag: string]: Xml | Xml[] };

const stateCodes = {
  pending: 0,
  running: 16,
  'shutting-down': 32,
  terminated: 48,
  stopping: 64,
  stopped: 80,
};

/** @throws AwsError */
export function answerEc2(ec2: Ec2, operation: string, params: Params, region: string): Reply {
  const body = perform(ec2, operation, params, region);
  const content = render({ requestId: randomUUID(), ...body });
  return xmlReply(
    `<${operation}Response xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">${content}</${operation}Response>`,
  );
}

function perform(
  ec2: Ec2,
  operation: string,
  params: Params,
  region: string,
): { [tag: string]: Xml | Xml[] } {
  const tree = toTree(params);
  if (text(tree, 'DryRun') === 'true') {
    throw new AwsError('DryRunOperation', 'Request would have succeeded, but DryRun flag is set.', 412);
  }
  const ids = () => texts(tree, 'InstanceId');
  switch (operation) {
    case 'RunInstances': {
      const instances = ec2.runInstances(readRunInstances(params));
      return reservationXml(instances, region);
    }
    case 'DescribeInstances': {
      const { instances, nextToken } = ec2.describeInstances({
        instanceIds: ids(),
        filters: readFilters(tree),
        ...readPage(tree),
      });
      const reservations = Object.values(Object.groupBy(instances, ({ reservationId }) => reservationId));
      return { reservationSet: reservations.map((group) => reservationXml(group ?? [], region)), nextToken };
    }
    case 'StartInstances':
      return changesXml(ec2.startInstances(ids()));
    case 'StopInstances':
      return changesXml(ec2.stopInstances(ids()));
    case 'TerminateInstances':
      return changesXml(ec2.terminateInstances(ids()));
    case 'CreateTags':
      ec2.createTags(texts(tree, 'ResourceId'), readTags(trees(tree, 'Tag')));
      return { return: true };
    case 'DescribeVolumes': {
      const { volumes, nextToken } = ec2.describeVolumes({
        volumeIds: texts(tree, 'VolumeId'),
        filters: readFilters(tree),
        ...readPage(tree),
      });
      return { volumeSet: volumes.map(volumeXml), nextToken };
    }
    case 'DescribeLaunchTemplates':
    case 'DescribeLaunchTemplateVersions':
      return describeTemplates(ec2, operation, tree);
    default:
      throw new AwsError(
        'InvalidAction',
        `The action ${operation} is not valid for this web service (the local platform does not offer it).`,
      );
  }
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

function describeTemplates(ec2: Ec2, operation: string, tree: Tree): { [tag: string]: Xml | Xml[] } {
  const wantedId = text(tree, 'LaunchTemplateId');
  const wantedName = text(tree, 'LaunchTemplateName');
  const all = ec2.launchTemplates;
  if (operation === 'DescribeLaunchTemplates') {
    return {
      launchTemplates: all.map((template) => ({
        launchTemplateId: template.id,
        launchTemplateName: template.name,
        defaultVersionNumber: template.defaultVersion,
        latestVersionNumber: versionNumber(template, '$Latest'),
      })),
    };
  }
  const template = all.find(({ id, name }) => id === wantedId || name === wantedName);
  if (!template)
    throw new AwsError(
      'InvalidLaunchTemplateId.NotFound',
      `The specified launch template, with template ID ${wantedId ?? wantedName}, does not exist.`,
    );
  const wanted = texts(tree, 'LaunchTemplateVersion').map((version) => versionNumber(template, version));
  const versions = template.versions.filter(({ version }) => wanted.length === 0 || wanted.includes(version));
  return {
    launchTemplateVersionSet: versions.map(({ version, data }) => ({
      launchTemplateId: template.id,
      launchTemplateName: template.name,
      versionNumber: version,
      defaultVersion: version === template.defaultVersion,
      launchTemplateData: { imageId: data.imageId, instanceType: data.instanceType, userData: data.userData },
    })),
  };
}

function reservationXml(instances: Instance[], region: string): { [tag: string]: Xml | Xml[] } {
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

function volumeXml(volume: Volume): Xml {
  return {
    volumeId: volume.id,
    size: 20,
    availabilityZone: volume.zone,
    status: 'in-use',
    createTime: new Date(volume.createdAt).toISOString(),
    volumeType: 'gp3',
    encrypted: true,
    attachmentSet: [
      {
        volumeId: volume.id,
        instanceId: volume.instanceId,
        device: '/dev/xvda',
        status: 'attached',
        deleteOnTermination: true,
      },
    ],
    tagSet: tagsXml(volume.tags),
  };
}

function changesXml(changes: StateChange[]): { [tag: string]: Xml | Xml[] } {
  return {
    instancesSet: changes.map(({ instanceId, previous, current }) => ({
      instanceId,
      currentState: { code: stateCodes[current], name: current },
      previousState: { code: stateCodes[previous], name: previous },
    })),
  };
}

function tagsXml(tags: Tags): Xml[] {
  return Object.entries(tags).map(([key, value]) => ({ key, value }));
}

/** Lists are `<item>`s; what is undefined is left out. */
function render(value: Xml | Xml[]): string {
  if (Array.isArray(value)) return value.map((one) => `<item>${render(one)}</item>`).join('');
  if (value === undefined) return '';
  if (typeof value !== 'object') return escapeXml(String(value));
  return Object.entries(value)
    .filter(([, inner]) => inner !== undefined)
    .map(([tag, inner]) => `<${tag}>${render(inner)}</${tag}>`)
    .join('');
}

function toTree(params: Params): Tree {
  const root: Tree = {};
  for (const [name, value] of Object.entries(params)) {
    if (typeof value !== 'string') continue;
    const parts = name.split('.');
    let at = root;
    for (const part of parts.slice(0, -1)) {
      const below = at[part];
      const next: Tree = typeof below === 'object' ? below : {};
      at[part] = next;
      at = next;
    }
    at[parts.at(-1) ?? ''] = value;
  }
  return root;
}

function text(tree: Tree, name: string): string | undefined {
  const value = tree[name];
  return typeof value === 'string' ? value : undefined;
}

function subtree(tree: Tree, name: string): Tree | undefined {
  const value = tree[name];
  return typeof value === 'object' ? value : undefined;
}

function trees(tree: Tree, name: string): Tree[] {
  return Object.values(subtree(tree, name) ?? {}).filter((value) => typeof value === 'object');
}

function texts(tree: Tree, name: string): string[] {
  return Object.values(subtree(tree, name) ?? {}).filter((value) => typeof value === 'string');
}

function optional<Value>(list: Value[]): Value[] | undefined {
  return list.length > 0 ? list : undefined;
}

function flag(value: string | undefined): boolean | undefined {
  return value === undefined ? undefined : value === 'true';
}

function readTags(tags: Tree[]): Tags {
  return Object.fromEntries(tags.map((tag) => [text(tag, 'Key') ?? '', text(tag, 'Value') ?? '']));
}

function readFilters(tree: Tree): Filter[] {
  return trees(tree, 'Filter').map((filter) => ({
    name: text(filter, 'Name') ?? '',
    values: texts(filter, 'Value'),
  }));
}

function readPage(tree: Tree): Page {
  const maxResults = text(tree, 'MaxResults');
  return {
    maxResults: maxResults === undefined ? undefined : Number(maxResults),
    nextToken: text(tree, 'NextToken'),
  };
}
