import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { HostDriver } from '../aws/host-driver.ts';
import { PLATFORM_MARK, removeCgroups } from './clean-leftovers.ts';
import type { HostNetwork } from './create-network.ts';
import { makePrograms } from './make-programs.ts';
import { runOnMachine } from './run-on-machine.ts';
import { cgroupOf, type Machine, startMachine } from './start-machine.ts';

const root = join(import.meta.dirname, '../..');

export interface HostsOptions {
  /** Folder for disks and console logs. Call `cleanLeftovers(dir)` and `own(dir)` first. */
  readonly dir: string;
  readonly network: HostNetwork;
  /** All three are addresses that can be reached from the bridge. */
  readonly registryUrl: string;
  readonly edgeUrl: string;
  readonly awsUrl: string;
  readonly log: (line: string) => void;
  /** The program that a machine runs when it is up; the product's own unless a test sets another. */
  readonly bootstrap?: string;
}

export interface Hosts extends HostDriver {
  /** `DOCKER_HOST` of a machine that is on, for use from outside. */
  dockerHost(instanceId: string): string;
  /** File with what the machine printed since its first boot; kept after termination until `close`. */
  consoleLog(instanceId: string): string;
  /** Kills all machines and deletes their disks. The caller closes the network. */
  close(): Promise<void>;
}

/**
 * EC2 instances as local machines, under root on Linux. Each has namespaces of its own, a Docker engine of its
 * own and a disk (a folder); see start-machine.ts and machine-init.sh.
 *
 * - off -> start -> on -> stop -> off (disk kept) -> start ...; terminate from anywhere -> gone.
 * - The disk holds the engine's data (images, volumes, stopped containers) and EPH_ROOT, which is /run/eph
 *   inside and `<dir>/<instance>/eph` outside. The rest of /run is new each boot.
 * - An instance keeps its address while it exists, also when it is off.
 * - In a machine `docker` needs no DOCKER_HOST: its engine is at /run/docker.sock there. From outside use
 *   `dockerHost()`. Bind mounts of /var/run/docker.sock in compose files meet the machine's engine too.
 * - A machine that powers itself off keeps its link and cgroups until `stop` or `terminate`.
 * - Machines reach the internet through this machine (open-way-out.ts); the local registry serves names on Docker
 *   Hub.
 */
export async function startHosts(options: HostsOptions): Promise<Hosts> {
  const { dir, network, log } = options;
  const machines = new Map<string, Machine>();
  const slots = new Map<string, number>();
  const folder = (instanceId: string) => join(dir, instanceId);
  const consoleLog = (instanceId: string) => join(dir, 'console', `${instanceId}.log`);
  await mkdir(join(dir, 'console'), { recursive: true });
  const bin = await makePrograms(join(dir, 'bin'), { poweroff: 'exec kill -TERM 1' });

  function slotOf(instanceId: string): number {
    const known = slots.get(instanceId);
    if (known !== undefined) return known;
    const used = new Set(slots.values());
    let slot = 0;
    while (used.has(slot)) slot++;
    slots.set(instanceId, slot);
    return slot;
  }

  function environment(instanceId: string): Record<string, string> {
    const disk = folder(instanceId);
    return {
      [PLATFORM_MARK]: network.platform,
      PATH: `${bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
      HOME: join(disk, 'home'),
      TMPDIR: join(disk, 'tmp'),
      LANG: 'C.UTF-8',
      EPH_ROOT: '/run/eph',
      EPH_LOCAL_EDGE: options.edgeUrl,
      AWS_ENDPOINT_URL: options.awsUrl,
      DOCKER_HOST: 'unix:///run/docker.sock',
    };
  }

  async function off(instanceId: string, how: 'orderly' | 'plug'): Promise<void> {
    const machine = machines.get(instanceId);
    machines.delete(instanceId);
    await machine?.powerOff(how);
    const slot = slots.get(instanceId);
    if (slot !== undefined) await network.disconnect(slot);
    await removeCgroups(cgroupOf(network.platform, instanceId).slice(1));
  }

  async function terminate(instanceId: string): Promise<void> {
    await off(instanceId, 'plug');
    await rm(folder(instanceId), { recursive: true, force: true });
    slots.delete(instanceId);
  }

  function running(instanceId: string): Machine {
    const machine = machines.get(instanceId);
    if (!machine) throw new Error(`Machine ${instanceId} is off.`);
    return machine;
  }

  return {
    async start({ instanceId, imds, wentOff }) {
      const started = performance.now();
      const disk = folder(instanceId);
      await mkdir(disk, { recursive: true });
      const slot = slotOf(instanceId);
      imds.answerOnly(network.machineAddress(slot).split('/')[0] ?? '');
      const machine = await startMachine({
        instanceId,
        network,
        slot,
        disk,
        console: consoleLog(instanceId),
        registryUrl: options.registryUrl,
        bootstrap: options.bootstrap ?? join(root, 'host/bootstrap.sh'),
        env: { ...environment(instanceId), AWS_EC2_METADATA_SERVICE_ENDPOINT: imds.url },
      });
      machines.set(instanceId, machine);
      log(`machine ${instanceId} is on after ${Math.round(performance.now() - started)} ms`);
      void machine.off.then(() => {
        if (machines.get(instanceId) !== machine) return;
        machines.delete(instanceId);
        log(`machine ${instanceId} went off by itself; see ${consoleLog(instanceId)}`);
        wentOff();
      });
    },
    stop: (instanceId) => off(instanceId, 'orderly'),
    terminate,
    run: async (instanceId, script, env, signal) =>
      runOnMachine(running(instanceId).pid, script, { ...environment(instanceId), ...env }, signal),
    dockerHost: (instanceId) => `unix:///proc/${running(instanceId).pid}/root/run/docker.sock`,
    consoleLog,
    async close() {
      await Promise.all([...slots.keys()].map(terminate));
      await rm(dir, { recursive: true, force: true });
    },
  };
}
