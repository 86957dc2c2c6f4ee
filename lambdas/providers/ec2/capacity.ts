import type { Arch, PreviewConfig } from '#core/preview-config';

/**
 * Where the next launch is tried: in one subnet after the other, then with the next type of the list. So the type that
 * the operator put first is tried everywhere before any other.
 */
export interface Place {
  subnetId: string;
  instanceType: string;
}

/** Limits the tries of one round; if there are more places, the next round continues where this one ended. */
const MAX_ROUND = 9;

/** For these errors another zone or another type may have room. A quota is the same everywhere. */
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

/** `attempt` counts from 1; `refusals` is how many times in a row EC2 has refused this machine. */
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

/** After this many refusals in a row a pause begins, because all places have been tried. */
export function placesInRound(subnets: number, instanceTypes: number): number {
  return Math.max(1, Math.min(MAX_ROUND, subnets * instanceTypes));
}

export function archOf(config: PreviewConfig | undefined): Arch {
  return config?.arch ?? 'amd64';
}

/** The type that the repository asks for has no substitute; without one, the operator's list is used. */
export function wantedInstanceTypes(
  config: PreviewConfig | undefined,
  defaults: Record<Arch, readonly string[]>,
): readonly string[] {
  return config?.instance_type ? [config.instance_type] : defaults[archOf(config)];
}
