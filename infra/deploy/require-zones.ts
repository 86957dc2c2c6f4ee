import { DescribeAvailabilityZonesCommand, paginateDescribeSubnets } from '@aws-sdk/client-ec2';
import { OperatorError } from '../terminal/operator-error.ts';
import type { Deployment } from './deployment.ts';

/**
 * CloudFormation picks the network's zones by their number, and fails only in the middle of an update if there are
 * fewer (us-west-1 offers two to an account).
 *
 * @throws OperatorError
 */
export async function requireZones({ aws, settings }: Deployment): Promise<void> {
  // A network of the operator's keeps the zones that it has.
  if (settings.VPC_ID) return;
  const { AWS_REGION, ZONES } = settings;
  const zones = await zonesOfRegion(aws);
  if (zones.length < ZONES) {
    throw new OperatorError(
      `${AWS_REGION} has ${zones.length} zones for this account, ZONES is ${ZONES}.`,
      `ZONES=${zones.length} in the settings.`,
    );
  }
  const withDefault = await zonesOfDefaultSubnets(aws);
  if (withDefault.size === 0 || withDefault.size >= ZONES) return;
  const without = zones.filter((zone) => !withDefault.has(zone));
  throw new OperatorError(
    `CloudFormation counts ${withDefault.size} zones in ${AWS_REGION}, ZONES is ${ZONES}: it sees those only in which this account has a default subnet.`,
    `ZONES=${withDefault.size} in the settings; or aws ec2 create-default-subnet --region ${AWS_REGION} --availability-zone ${without[0]}.`,
  );
}

async function zonesOfRegion({ ec2 }: Deployment['aws']): Promise<string[]> {
  const filter = { Name: 'zone-type', Values: ['availability-zone'] };
  const { AvailabilityZones = [] } = await ec2.send(
    new DescribeAvailabilityZonesCommand({ Filters: [filter] }),
  );
  return AvailabilityZones.flatMap(({ ZoneName }) => ZoneName ?? []);
}

/**
 * `Fn::GetAZs` returns these, and all zones of the region only where there is no default subnet at all.
 * https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference-getavailabilityzones.html
 */
async function zonesOfDefaultSubnets({ ec2 }: Deployment['aws']): Promise<Set<string>> {
  const zones = new Set<string>();
  const filter = { Name: 'default-for-az', Values: ['true'] };
  for await (const { Subnets = [] } of paginateDescribeSubnets({ client: ec2 }, { Filters: [filter] })) {
    for (const { AvailabilityZone } of Subnets) if (AvailabilityZone) zones.add(AvailabilityZone);
  }
  return zones;
}
