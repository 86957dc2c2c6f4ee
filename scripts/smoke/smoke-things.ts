import type { SmokeContext } from './smoke-context.ts';

/** Repository id 0 marks smoke checks, this one and earlier ones. */
const isSmoke = ({ environment }: { environment: string }) => environment.startsWith('0#');

/** The machines that still exist. */
export async function machinesOf({ ports }: SmokeContext) {
  return (await ports.machines.list()).filter((one) => isSmoke(one) && one.power !== 'gone');
}

export async function recordsOf({ ports }: SmokeContext) {
  return (await ports.tunnels.listRecords()).filter(isSmoke);
}

export async function tunnelsOf({ ports }: SmokeContext) {
  return (await ports.tunnels.listTunnels()).filter(isSmoke);
}
