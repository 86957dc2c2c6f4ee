/** An EC2 instance and its root volume: what Describe shows of them, and which filters find them. */
import { tagValues } from './ec2-filters.ts';
import type { LaunchPlan, Tags } from './ec2-launch.ts';

export type InstanceState = 'pending' | 'running' | 'shutting-down' | 'terminated' | 'stopping' | 'stopped';

export interface Instance extends LaunchPlan {
  id: string;
  reservationId: string;
  state: InstanceState;
  stateReason: { code: string; message: string } | undefined;
  clientToken: string | undefined;
  /** Epoch milliseconds of the last launch or start. */
  launchedAt: number;
  privateIp: string;
  publicIpNow: string | undefined;
  volume: { id: string; tags: Tags };
}

export type PowerEvent =
  | { kind: 'on'; instance: Instance; first: boolean }
  | { kind: 'off'; instance: Instance }
  | { kind: 'gone'; instance: Instance };

export interface StateChange {
  instanceId: string;
  previous: InstanceState;
  current: InstanceState;
}

/** The number of vCPUs by size; burstable types have 2 from nano to large. */
const vcpus: Record<string, number> = {
  nano: 2,
  micro: 2,
  small: 2,
  medium: 2,
  large: 2,
  xlarge: 4,
  '2xlarge': 8,
};

export const instanceFilters = [
  'tag',
  'tag-key',
  'client-token',
  'instance-state-name',
  'instance-id',
  'instance-type',
  'subnet-id',
  'image-id',
  'availability-zone',
  'vpc-id',
  'reservation-id',
];
export function vcpusOf(instanceType: string): number {
  return vcpus[instanceType.split('.')[1] ?? ''] ?? 2;
}

export function instanceValues(instance: Instance, name: string): string[] | undefined {
  const direct: Record<string, string | undefined> = {
    'client-token': instance.clientToken ?? '',
    'instance-state-name': instance.state,
    'instance-id': instance.id,
    'instance-type': instance.instanceType,
    'subnet-id': instance.subnet.id,
    'image-id': instance.imageId,
    'availability-zone': instance.subnet.zone,
    'vpc-id': instance.subnet.vpcId,
    'reservation-id': instance.reservationId,
  };
  const value = direct[name];
  return value === undefined ? tagValues(instance.tags['instance'] ?? {}, name) : [value];
}
