import { DescribeInstancesCommand, EC2Client, RunInstancesCommand } from '@aws-sdk/client-ec2';

/** Two calls with nested input and output, for comparing the SDK in a bundle with the SDK as it is. */
export async function launchAndDescribe(endpoint: string): Promise<unknown[]> {
  const client = new EC2Client({
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'key' },
  });
  const launched = await client.send(
    new RunInstancesCommand({
      MinCount: 1,
      MaxCount: 1,
      ClientToken: 'token',
      LaunchTemplate: { LaunchTemplateId: 'lt-1', Version: '3' },
      ImageId: 'ami-1',
      InstanceType: 't3.small',
      SubnetId: 'subnet-1',
      UserData: 'e30=',
      TagSpecifications: [{ ResourceType: 'instance', Tags: [{ Key: 'eph:deployment', Value: 'local' }] }],
    }),
  );
  const described = await client.send(
    new DescribeInstancesCommand({ Filters: [{ Name: 'tag:eph:deployment', Values: ['local', 'other'] }] }),
  );
  client.destroy();
  return [launched.Instances, described.Reservations];
}
