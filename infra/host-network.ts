import {
  CfnSecurityGroup,
  GatewayVpcEndpointAwsService,
  type ISubnet,
  SubnetType,
  Vpc,
} from 'aws-cdk-lib/aws-ec2';
import { Construct } from 'constructs';
import { acknowledge } from './acknowledge.ts';

/**
 * Where hosts live: public subnets without a NAT, a public address for as long as a host runs, and a security
 * group that lets nothing in. Costs nothing while nothing runs.
 *
 * A private subnet without a NAT would reach neither GitHub nor a registry nor Cloudflare; a NAT costs 36 $ a
 * month idle. Ports out: 443 and 80 for what builds fetch, 22 for dependencies fetched with git over ssh, 7844
 * for the tunnel (UDP for QUIC, TCP for HTTP/2). DNS, time and metadata are served inside the network, where
 * security groups do not apply.
 */
export class HostNetwork extends Construct {
  readonly subnets: ISubnet[];
  readonly securityGroupId: string;

  constructor(scope: Construct, id: string) {
    super(scope, id);
    const vpc = new Vpc(this, 'Vpc', {
      // Two without an account to ask which zones there are, three with one: each is one more place to go
      // when a zone has no capacity.
      maxAzs: 3,
      natGateways: 0,
      subnetConfiguration: [{ name: 'Hosts', subnetType: SubnetType.PUBLIC, mapPublicIpOnLaunch: true }],
      gatewayEndpoints: {
        S3: { service: GatewayVpcEndpointAwsService.S3 },
        DynamoDB: { service: GatewayVpcEndpointAwsService.DYNAMODB },
      },
    });
    this.subnets = vpc.publicSubnets;
    acknowledge(this, "Paid by volume, of traffic that is a stranger's build; nothing can connect", ['VPC7']);

    const out = (ipProtocol: string, port: number) => ({
      ipProtocol,
      fromPort: port,
      toPort: port,
      cidrIp: '0.0.0.0/0',
    });
    const securityGroup = new CfnSecurityGroup(this, 'Closed', {
      vpcId: vpc.vpcId,
      groupDescription: 'Hosts of Eph: nobody can connect, the tunnel is made from inside',
      securityGroupIngress: [],
      securityGroupEgress: [
        out('tcp', 22),
        out('tcp', 80),
        out('tcp', 443),
        out('tcp', 7844),
        out('udp', 7844),
      ],
    });
    this.securityGroupId = securityGroup.attrGroupId;
  }
}
