import type { Hosts } from '../../lambdas/providers/ec2/ec2-ports.ts';
import { hostRows } from '../../lambdas/providers/ec2/host-rows.ts';
import { hostKey } from '../../lambdas/providers/ec2/host-writes.ts';
import { memoryItems, memoryTable } from './memory-table.ts';
import { atOnce, type Wire } from './wire.ts';

/** The table of hosts in memory, with the product's own writes. */
export interface MemoryHosts extends Hosts {
  /** One process, whose calls may go over several wires: it keeps whose reports are held back. */
  process(): (wire: Wire) => Hosts;
}

export function memoryHosts(now: () => number = () => 0): MemoryHosts {
  const hosts = memoryItems(now, hostKey);
  const process = () => {
    const held = new Map<string, number>();
    return (wire: Wire): Hosts => hostRows(memoryTable(hosts, 'hosts', wire), now, held);
  };
  return { ...process()(atOnce), process };
}
