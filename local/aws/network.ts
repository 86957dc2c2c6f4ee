/** Where machines can be: zones, subnets, VPCs and routes of the stack, and the account's switch over them all. */
import type { Subnet } from './ec2-launch.ts';

export interface NetworkKnobs {
  /** VPC Block Public Access of the account and region; `block-bidirectional` cuts hosts off. */
  blockPublicAccess: 'off' | 'block-ingress' | 'block-bidirectional';
  /** Instance types that no zone of the region has; `<zone> <type>`: that this one has not. */
  unknownTypes: Set<string>;
  /** What volumes are encrypted with where nobody names a key. */
  ebsKey: string;
  /** Zones in which the account has a default subnet; none: it has no default VPC. */
  defaultSubnets: Set<string>;
  /** Subnets whose route table leads nowhere. */
  withoutWayOut: Set<string>;
}

export interface Network {
  knobs: NetworkKnobs;
  /** Of the stack; the same list for as long as the platform runs. */
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
