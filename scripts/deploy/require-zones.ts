import { DescribeAvailabilityZonesCommand } from '@aws-sdk/client-ec2';
import { OperatorError } from '../terminal/operator-error.ts';
import type { Deployment } from './deployment.ts';

/**
 * CloudFormation picks the network's zones by their number, and only finds in the middle of an update that a region
 * shows fewer to this account (us-west-1 has two).
 *
 * @throws OperatorError
 */
export async function requireZones({ aws, settings }: Deployment): Promise<void> {
  // A network of the operator's has the zones that it has.
  if (settings.VPC_ID) return;
  const filter = { Name: 'zone-type', Values: ['availability-zone'] };
  const { AvailabilityZones = [] } = await aws.ec2.send(
    new DescribeAvailabilityZonesCommand({ Filters: [filter] }),
  );
  if (AvailabilityZones.length >= settings.ZONES) return;
  throw new OperatorError(
    `${settings.AWS_REGION} has ${AvailabilityZones.length} zones for this account, ZONES is ${settings.ZONES}.`,
    `ZONES=${AvailabilityZones.length} in the settings.`,
  );
}
