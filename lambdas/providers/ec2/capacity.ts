import type { Arch, PreviewConfig } from '#core/preview-config';

/**
 * Where the next machine is tried: the subnets one after the other, then the next type of the list, so that
 * what the operator put first is asked for everywhere before anything else.
 */
export interface Place {
  subnetId: string;
  instanceType: string;
}

/** Bounds what one run asks of EC2; with more places the next round goes on where this one ended. */
const MAX_ROUND = 9;

/** Another zone or another type may have room. A quota is the same everywhere. */
const elsewhere: readonly string[] = [
  'InsufficientInstanceCapacity',
  'InsufficientHostCapacity',
  'InsufficientReservedInstanceCapacity',
  'InsufficientFreeAddressesInSubnet',
  'Unsupported',
  'not_on_free_plan',
];

export function hasRoomElsewhere(code: string): boolean {
  return elsewhere.includes(code);
}

/** `attempt` counts from 1; `refusals` is how often EC2 has said no to this machine in a row. */
export function choosePlace(
  attempt: number,
  refusals: number,
  subnetIds: readonly string[],
  instanceTypes: readonly string[],
): Place | undefined {
  const subnetId = subnetIds[(attempt - 1) % subnetIds.length];
  const instanceType = instanceTypes[Math.floor(refusals / subnetIds.length) % instanceTypes.length];
  return subnetId && instanceType ? { subnetId, instanceType } : undefined;
}

/** After so many refusals in a row it is time to wait: all places have been tried. */
export function placesInRound(subnets: number, instanceTypes: number): number {
  return Math.max(1, Math.min(MAX_ROUND, subnets * instanceTypes));
}

export function archOf(config: PreviewConfig | undefined): Arch {
  return config?.arch ?? 'amd64';
}

/** What the repository asks for has no substitute; otherwise the operator's list. */
export function wantedInstanceTypes(
  config: PreviewConfig | undefined,
  defaults: Record<Arch, readonly string[]>,
): readonly string[] {
  return config?.instance_type ? [config.instance_type] : defaults[archOf(config)];
}
