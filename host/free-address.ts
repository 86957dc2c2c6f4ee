import type { ComposeProject } from './compose-project.ts';

/**
 * Docker gives out the lowest free address of a network. A container that starts later, and for which the compose
 * file reserves that address, then fails with "Address already in use". The proxy therefore takes the highest address
 * that is not reserved, on networks that have reserved addresses.
 */
export function freeAddress(project: ComposeProject, network: string): string | undefined {
  const promised = Object.values(project.services ?? {}).flatMap(
    ({ networks }) => networks?.[network]?.ipv4_address ?? [],
  );
  if (promised.length === 0) return undefined;
  for (const { subnet, gateway } of project.networks?.[network]?.ipam?.config ?? []) {
    const [, base, bits] = /^(\d+\.\d+\.\d+\.\d+)\/(\d+)$/.exec(subnet ?? '') ?? [];
    if (!base || !bits || Number(bits) > 30) continue;
    const size = 2 ** (32 - Number(bits));
    const first = Math.floor(toNumber(base) / size) * size;
    const taken = new Set([...promised, ...(gateway ? [gateway] : [])].map(toNumber));
    // The first is the network, the second usually its gateway, the last reaches everybody.
    for (let address = first + size - 2; address > first + 1; address--) {
      if (!taken.has(address)) return toText(address);
    }
  }
  return undefined;
}

function toNumber(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

function toText(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');
}
