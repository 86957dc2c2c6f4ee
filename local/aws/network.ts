/** Where machines can be: zones, subnets, VPCs and routes of the stack, and the account's setting for all of them. */
import type { Subnet } from './ec2-launch.ts';

export interface NetworkKnobs {
  /** VPC Block Public Access of the account and region; `block-bidirectional` cuts hosts off. */
  blockPublicAccess: 'off' | 'block-ingress' | 'block-bidirectional';
  /** Instance types that no zone of the region has; `<zone> <type>` if only that zone lacks it. */
  unknownTypes: Set<string>;
  /** The default key with which volumes are encrypted. */
  ebsKey: string;
  /** Zones in which the account has a default subnet; if there are none, it has no default VPC. */
  defaultSubnets: Set<string>;
  /** Subnets whose route table has no route out. */
  withoutWayOut: Set<string>;
}

export interface Network {
  knobs: NetworkKnobs;
  /** The stack's subnets; the same list for as long as the platform runs. */
  subnets: readonly Subnet[];
  zones: readonly string[];
}

export function createNetwork(subnets: readonly Subnet[], region: string): Network {
  return {
    knobs: {
      blockPublicAccess: 'off',
      unknownTypes: new Set(),
      ebsKey: 'alias/aws/ebs',
      defaultSubnets: new Set(),
      withoutWayOut: new Set(),
    },
    subnets,
    zones: ['a', 'b', 'c'].map((letter) => `${region}${letter}`),
  };
}
