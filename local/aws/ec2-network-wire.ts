/** Zones, networks and instance types on the wire; https://docs.aws.amazon.com/AWSEC2/latest/APIReference/ */
import { AwsError } from './aws-error.ts';
import { checkFilters, type Filter, filtered, paged } from './ec2-filters.ts';
import { vcpusOf } from './ec2-instance.ts';
import type { Subnet } from './ec2-launch.ts';
import { readFilters, readPage, text, texts, type Xml, type XmlFields } from './ec2-query.ts';
import type { Ec2Operation } from './ec2-wire.ts';
import type { Network } from './network.ts';

const ACCOUNT = '000000000000';
const DEFAULT_VPC = 'vpc-0defa0170defa0170';

export const networkOperations: Readonly<Record<string, Ec2Operation>> = {
  DescribeVpcBlockPublicAccessOptions({ network }) {
    const { blockPublicAccess } = network.knobs;
    const state = blockPublicAccess === 'off' ? 'default-state' : 'update-complete';
    const options = { awsAccountId: ACCOUNT, internetGatewayBlockMode: blockPublicAccess, state };
    return { vpcBlockPublicAccessOptions: options };
  },
  GetEbsDefaultKmsKeyId: ({ network }) => ({ kmsKeyId: network.knobs.ebsKey }),
  DescribeSubnets({ network }, tree) {
    const ids = texts(tree, 'SubnetId');
    const all = [...network.subnets, ...defaultSubnets(network)];
    const lost = ids.find((id) => !all.some((subnet) => subnet.id === id));
    if (lost) throw new AwsError('InvalidSubnetID.NotFound', `The subnet ID '${lost}' does not exist`);
    const named = all.filter(({ id }) => ids.length === 0 || ids.includes(id));
    const { things, nextToken } = paged(choose(named, readFilters(tree), subnetValues), readPage(tree));
    return { subnetSet: things.map(subnetXml), nextToken };
  },
  DescribeRouteTables({ network }, tree) {
    const found = choose(network.subnets, readFilters(tree), (subnet) => ({
      'association.subnet-id': subnet.id,
      'vpc-id': subnet.vpcId,
    }));
    return { routeTableSet: found.map((subnet) => routesXml(network, subnet)) };
  },
  DescribeAvailabilityZones: ({ network }) => ({
    availabilityZoneInfo: network.zones.map((zoneName) => ({ zoneName, zoneState: 'available' })),
  }),
  DescribeInstanceTypes(_, tree) {
    const types = [...texts(tree, 'InstanceType'), ...typesNamed(readFilters(tree))];
    return {
      instanceTypeSet: types.map((instanceType) => ({
        instanceType,
        vCpuInfo: { defaultVCpus: vcpusOf(instanceType) },
      })),
    };
  },
  DescribeInstanceTypeOfferings: ({ network }, tree) =>
    offerings(network, readFilters(tree), text(tree, 'LocationType') ?? 'region'),
};

function typesNamed(filters: Filter[]): string[] {
  return filters.filter(({ name }) => name === 'instance-type').flatMap(({ values }) => values);
}

function offerings({ knobs, zones }: Network, filters: Filter[], locationType: string): XmlFields {
  const types = typesNamed(filters).filter(
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
