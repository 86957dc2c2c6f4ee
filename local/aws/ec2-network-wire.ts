/** Zones, networks and instance types on the wire; https://docs.aws.amazon.com/AWSEC2/latest/APIReference/ */
import { AwsError } from './aws-error.ts';
import { checkFilters, type Filter, filtered, paged } from './ec2-filters.ts';
import { vcpusOf } from './ec2-instance.ts';
import type { Subnet } from './ec2-launch.ts';
import { readFilters, readPage, type Tree, text, texts, type Xml, type XmlFields } from './ec2-query.ts';
import type { Network } from './network.ts';

const ACCOUNT = '000000000000';
const DEFAULT_VPC = 'vpc-0defa0170defa0170';

/** Undefined: no operation of these. @throws AwsError */
export function describeNetwork(network: Network, operation: string, tree: Tree): XmlFields | undefined {
  const filters = readFilters(tree);
  switch (operation) {
    case 'DescribeVpcBlockPublicAccessOptions': {
      const { blockPublicAccess } = network.knobs;
      const state = blockPublicAccess === 'off' ? 'default-state' : 'update-complete';
      const options = { awsAccountId: ACCOUNT, internetGatewayBlockMode: blockPublicAccess, state };
      return { vpcBlockPublicAccessOptions: options };
    }
    case 'GetEbsDefaultKmsKeyId':
      return { kmsKeyId: network.knobs.ebsKey };
    case 'DescribeSubnets': {
      const ids = texts(tree, 'SubnetId');
      const all = [...network.subnets, ...defaultSubnets(network)];
      const lost = ids.find((id) => !all.some((subnet) => subnet.id === id));
      if (lost) throw new AwsError('InvalidSubnetID.NotFound', `The subnet ID '${lost}' does not exist`);
      const named = all.filter(({ id }) => ids.length === 0 || ids.includes(id));
      const { things, nextToken } = paged(choose(named, filters, subnetValues), readPage(tree));
      return { subnetSet: things.map(subnetXml), nextToken };
    }
    case 'DescribeVpcs': {
      const vpcs = [...new Set(network.subnets.map(({ vpcId }) => vpcId))];
      const found = choose(vpcs, filters, (id) => ({ 'vpc-id': id }));
      return { vpcSet: found.map((vpcId) => ({ vpcId, state: 'available', isDefault: false })) };
    }
    case 'DescribeRouteTables': {
      const found = choose(network.subnets, filters, (subnet) => ({
        'association.subnet-id': subnet.id,
        'vpc-id': subnet.vpcId,
      }));
      return { routeTableSet: found.map((subnet) => routesXml(network, subnet)) };
    }
    case 'DescribeAvailabilityZones':
      return {
        availabilityZoneInfo: network.zones.map((zoneName) => ({ zoneName, zoneState: 'available' })),
      };
    case 'DescribeInstanceTypes': {
      const named = filters.filter(({ name }) => name === 'instance-type').flatMap(({ values }) => values);
      const types = [...texts(tree, 'InstanceType'), ...named];
      return {
        instanceTypeSet: types.map((instanceType) => ({
          instanceType,
          vCpuInfo: { defaultVCpus: vcpusOf(instanceType) },
        })),
      };
    }
    case 'DescribeInstanceTypeOfferings':
      return offerings(network, filters, text(tree, 'LocationType') ?? 'region');
    default:
      return undefined;
  }
}

function offerings({ knobs, zones }: Network, filters: Filter[], locationType: string): XmlFields {
  const named = filters.filter(({ name }) => name === 'instance-type').flatMap(({ values }) => values);
  const types = named.filter(
    (type) =>
      /^[a-z][a-z0-9-]*\.(nano|micro|small|medium|large|\d*xlarge)$/.test(type) &&
      !knobs.unknownTypes.has(type),
  );
  const locations = locationType === 'availability-zone' ? zones : [zones[0]?.slice(0, -1) ?? ''];
  const all = types
    .flatMap((type) => locations.map((location) => ({ type, location })))
    .filter(({ type, location }) => !knobs.unknownTypes.has(`${location} ${type}`));
  const found = choose(all, filters, ({ type, location }) => ({ 'instance-type': type, location }));
  return {
    instanceTypeOfferingSet: found.map(({ type, location }) => ({
      instanceType: type,
      locationType,
      location,
    })),
  };
}

function choose<Thing>(
  things: readonly Thing[],
  filters: readonly Filter[],
  valuesOf: (thing: Thing) => Record<string, string>,
): Thing[] {
  const [first] = things;
  if (first !== undefined) checkFilters(filters, Object.keys(valuesOf(first)));
  return filtered(things, filters, (thing, name) => {
    const value = valuesOf(thing)[name];
    return value === undefined ? undefined : [value];
  });
}

function defaultSubnets({ knobs }: Network): Subnet[] {
  return [...knobs.defaultSubnets].map((zone) => ({
    id: `subnet-de${zone.replace(/\W/g, '')}`,
    vpcId: DEFAULT_VPC,
    zone,
    publicIp: true,
  }));
}

function subnetValues({ id, vpcId, zone }: Subnet): Record<string, string> {
  const isDefault = String(vpcId === DEFAULT_VPC);
  return { 'subnet-id': id, 'vpc-id': vpcId, 'availability-zone': zone, 'default-for-az': isDefault };
}

function subnetXml({ id, vpcId, zone, publicIp }: Subnet): Xml {
  return {
    subnetId: id,
    vpcId,
    availabilityZone: zone,
    defaultForAz: vpcId === DEFAULT_VPC,
    state: 'available',
    mapPublicIpOnLaunch: publicIp,
    availableIpAddressCount: 4091,
  };
}

function routesXml({ knobs }: Network, { id, vpcId }: Subnet): Xml {
  const local = { destinationCidrBlock: '10.200.0.0/16', gatewayId: 'local', state: 'active' };
  const out = { destinationCidrBlock: '0.0.0.0/0', gatewayId: 'igw-0e0e0e0e0e0e0e0e0', state: 'active' };
  return {
    routeTableId: id.replace(/^subnet/, 'rtb'),
    vpcId,
    associationSet: [{ subnetId: id, main: false }],
    routeSet: knobs.withoutWayOut.has(id) ? [local] : [local, out],
  };
}
