import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { closeWayOut, openWayOut } from './open-way-out.ts';
import { ownNameservers, startResolver } from './start-resolver.ts';

const run = promisify(execFile);

/** A bridge for the machines of one platform. It exists before the servers that listen on its address. */
export interface HostNetwork {
  /** Short hash of the platform's folder; every link, process and cgroup of the platform carries it. */
  readonly platform: string;
  /** The bridge's own address, at which machines reach this one: registry, AWS, GitHub, Cloudflare. */
  readonly address: string;
  /** Why the machines have no way out to the internet, as a sentence; undefined if they have one. */
  readonly isolated: string | undefined;
  /** `<ip>/24` of the nth machine, n from 0 to 252. */
  machineAddress(n: number): string;
  /** Connects eth0 of the network namespace of process `pid`. Machines reach the bridge, not each other. */
  connect(n: number, pid: number): Promise<void>;
  /**
   * Removes the nth machine's link if it still exists. The kernel would remove it with the namespace, but only after
   * some time, and a machine that is started again needs the name.
   */
  disconnect(n: number): Promise<void>;
  close(): Promise<void>;
}

/**
 * Makes the bridge `eph-<platform>`, on a free 10.x.y.0/24. Two platforms have two bridges and two networks.
 * Needs root. Links vanish with their machine's namespace; the bridge and the rules of its way out are removed
 * by `close`, or, after a kill, by `cleanLeftovers` of the next run in the same folder.
 */
export async function createNetwork(dir: string): Promise<HostNetwork> {
  const platform = platformId(dir);
  const bridge = bridgeName(platform);
  const prefix = await freePrefix(platform);
  await ip([
    // Without an address of its own a bridge takes that of a port, and another one when that port is removed. The
    // other machines then reach nothing for up to 10 s, until their ARP entries are found to be wrong.
    `link add ${bridge} address ${macAddress(platform, 0)} type bridge`,
    `address add ${prefix}.1/24 dev ${bridge}`,
    `link set ${bridge} up`,
  ]);
  // The rules are for IPv4, so the machines have no IPv6.
  await writeFile(`/proc/sys/net/ipv6/conf/${bridge}/disable_ipv6`, '1').catch(() => undefined);
  const isolated = await openWayOut(bridge, `${prefix}.1`);
  const resolver = await startResolver(`${prefix}.1`, isolated ? () => [] : ownNameservers);
  const linkName = (n: number) => `ev${platform}-${n}`;
  return {
    platform,
    address: `${prefix}.1`,
    isolated,
    machineAddress(n) {
      if (n < 0 || n > 252)
        throw new Error('The local platform has addresses for 253 machines; all are in use.');
      return `${prefix}.${n + 2}/24`;
    },
    async connect(n, pid) {
      const link = linkName(n);
      await ip([
        `link add ${link} type veth peer name eth0 address ${macAddress(platform, n + 2)} netns ${pid}`,
        `link set ${link} master ${bridge} up`,
        // No machine reaches another one, as in a security group without ingress.
        `link set ${link} type bridge_slave isolated on`,
      ]);
    },
    async disconnect(n) {
      await run('ip', ['link', 'delete', linkName(n)]).catch(() => undefined);
    },
    async close() {
      resolver.close();
      await removeBridge(bridge);
    },
  };
}

/** Removes the bridge and its rules for outgoing traffic. */
export async function removeBridge(bridge: string): Promise<void> {
  await closeWayOut(bridge);
  await run('ip', ['link', 'delete', bridge]).catch(() => undefined);
}

/** Locally administered; the same for a machine at each boot, as its IP address is. */
function macAddress(platform: string, n: number): string {
  return `02:${platform.match(/../g)?.join(':')}:00:${n.toString(16).padStart(2, '0')}`;
}

/** Folder -> 6 hexadecimal digits. Interface names have at most 15 characters. */
export function platformId(dir: string): string {
  return createHash('sha256').update(resolve(dir)).digest('hex').slice(0, 6);
}

export function bridgeName(platform: string): string {
  return `eph-${platform}`;
}

/** Runs lines of `ip` in one process; stops at the first that fails. */
function ip(lines: readonly string[]): Promise<void> {
  return new Promise((done, fail) => {
    const child = execFile('ip', ['-batch', '-'], (error, _out, stderr) =>
      error ? fail(new Error(`ip ${lines.join('; ')}: ${stderr.trim() || error.message}`)) : done(),
    );
    child.stdin?.end(`${lines.join('\n')}\n`);
  });
}

/**
 * The first three numbers of a /24 that no route and no interface of this machine covers. The search begins at a
 * place that depends on the platform, so that two platforms that start at the same moment do not choose the same.
 */
async function freePrefix(platform: string): Promise<string> {
  const { stdout } = await run('ip', ['-4', '-o', 'route', 'show', 'table', 'all']);
  const routes = [...stdout.matchAll(/(?:^|\s)(\d+\.\d+\.\d+\.\d+)(?:\/(\d+))?(?=\s)/gm)].map(
    ([, address = '', bits = '32']) => range(address, Number(bits)),
  );
  const own = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
  const taken = [
    ...routes,
    ...own.flatMap((entry) => (entry.family === 'IPv4' && entry.cidr ? [range(...split(entry.cidr))] : [])),
  ];
  const seed = Number.parseInt(platform, 16);
  for (let i = 0; i < 4096; i++) {
    const n = (seed + i * 97) % 16384;
    const prefix = `10.${64 + (n >> 8)}.${n & 255}`;
    const [from, to] = range(`${prefix}.0`, 24);
    if (taken.every(([start, end]) => end < from || start > to)) return prefix;
  }
  throw new Error(
    'No free 10.x.y.0/24 network for the local hosts: the routes of this machine cover 10.64.0.0/10 (ip route). Disconnect the VPN that does.',
  );
}

function split(cidr: string): [string, number] {
  const [address = '', bits = '32'] = cidr.split('/');
  return [address, Number(bits)];
}

function range(address: string, bits: number): [number, number] {
  const value = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const size = 2 ** (32 - bits);
  const from = value - (value % size);
  return [from, from + size - 1];
}
