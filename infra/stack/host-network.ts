import {
  CfnSecurityGroup,
  CfnVPCBlockPublicAccessExclusion,
  GatewayVpcEndpointAwsService,
  SubnetType,
  Vpc,
} from 'aws-cdk-lib/aws-ec2';
import { Construct } from 'constructs';
import { acknowledge } from './acknowledge.ts';

export interface HostNetworkProps {
  /** A network that exists already: only the security group is made in it. */
  existing: { vpcId: string; subnetIds: string[] } | undefined;
  /** The number of zones of the network that is made. */
  zones: number;
  blockPublicAccessExclusion: boolean;
}

/**
 * Where hosts live: public subnets without a NAT, a public address for as long as a host runs, and a security
 * group that lets nothing in. Costs nothing while nothing runs. Or subnets that are there already.
 *
 * A private subnet without a NAT would reach neither GitHub nor a registry nor Cloudflare; a NAT costs 36 $ a
 * month idle. Ports out: 443 and 80 for what builds fetch, 22 for dependencies fetched with git over ssh, 7844
 * for the tunnel (UDP for QUIC, TCP for HTTP/2). DNS, time and metadata are served inside the network, where
 * security groups do not apply.
 */
export class HostNetwork extends Construct {
  readonly subnetIds: string[];
  readonly securityGroupId: string;

  constructor(scope: Construct, id: string, props: HostNetworkProps) {
    super(scope, id);
    const { vpcId, subnetIds } = props.existing ?? this.makeNetwork(props);
    this.subnetIds = subnetIds;

    const out = (ipProtocol: string, port: number) => ({
      ipProtocol,
      fromPort: port,
      toPort: port,
      cidrIp: '0.0.0.0/0',
    });
    const securityGroup = new CfnSecurityGroup(this, 'Closed', {
      vpcId,
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

  private makeNetwork(props: HostNetworkProps): { vpcId: string; subnetIds: string[] } {
    const vpc = new Vpc(this, 'Vpc', {
      maxAzs: props.zones,
      natGateways: 0,
      // The size is fixed, so that a further zone later leaves the others' addresses unchanged.
      subnetConfiguration: [
        { name: 'Hosts', subnetType: SubnetType.PUBLIC, mapPublicIpOnLaunch: true, cidrMask: 20 },
      ],
      gatewayEndpoints: {
        S3: { service: GatewayVpcEndpointAwsService.S3 },
        DynamoDB: { service: GatewayVpcEndpointAwsService.DYNAMODB },
      },
    });
    acknowledge(this, "Paid by volume, of traffic that is a stranger's build; nothing can connect", ['VPC7']);
    if (props.blockPublicAccessExclusion) {
      new CfnVPCBlockPublicAccessExclusion(this, 'Exclusion', {
        vpcId: vpc.vpcId,
        // `allow-egress` would do, but only counts where the account blocks both directions, not where it
        // blocks ingress; that also cuts off public addresses altogether. What keeps strangers out is the group.
        // https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_VpcBlockPublicAccessExclusion.html
        internetGatewayExclusionMode: 'allow-bidirectional',
      });
    }
    return { vpcId: vpc.vpcId, subnetIds: vpc.publicSubnets.map(({ subnetId }) => subnetId) };
  }
}
