import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { HostNetwork } from './create-network.ts';

/** A machine that is switched on. */
export interface Machine {
  /** Its pid 1, as seen from outside: enter its namespaces with nsenter, its files by /proc/<pid>/root. */
  readonly pid: number;
  /** Resolves when its last process has ended. */
  readonly off: Promise<void>;
  /** Ends everything in the machine and waits for it: `orderly` lets containers stop, `plug` kills them. */
  powerOff(how: 'orderly' | 'plug'): Promise<void>;
}

export interface MachineOptions {
  readonly instanceId: string;
  readonly network: HostNetwork;
  /** The number from which its address and link are made. */
  readonly slot: number;
  /** Survives power off; the engine's data and the agent's root are in it. */
  readonly disk: string;
  readonly console: string;
  readonly registryUrl: string;
  readonly bootstrap: string;
  readonly env: Readonly<Record<string, string>>;
}

/** A little more than the time machine-init.sh gives bootstrap and containers. */
const ORDERLY_MS = 9_000;
/** An engine is ready in 0.3-0.5 s; ten machines at once on two cores take several seconds. */
const BOOT_MS = 60_000;

/**
 * Boots a machine: namespaces by unshare, machine-init.sh as pid 1, a link to the bridge.
 *
 * - The chain setpriv -> unshare -> pid 1 has parent-death signals, so the machines of a killed platform end with it,
 *   and all processes, mounts and the link of a machine are removed when its pid 1 ends.
 * - That signal belongs to the thread that spawned: call this from the main thread.
 * - Resolves when the engine answers; rejects with the end of the logs when it does not.
 */
export async function startMachine(options: MachineOptions): Promise<Machine> {
  const { network, slot } = options;
  const address = network.machineAddress(slot);
  const console = openSync(options.console, 'a');
  const unshare = ['--net', '--pid', '--fork', '--mount', '--uts', '--ipc', '--mount-proc', '--kill-child'];
  const init = join(import.meta.dirname, 'machine-init.sh');
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'unshare', ...unshare, 'bash', init], {
    cwd: '/',
    // It is in a process group of its own: Ctrl-C in the terminal reaches only the platform, which then powers off in
    // order.
    detached: true,
    stdio: ['ignore', console, console, 'pipe'],
    env: {
      ...options.env,
      MACHINE_ADDRESS: address,
      MACHINE_GATEWAY: network.isolated === undefined ? network.address : '',
      MACHINE_NAME: `ip-${address.split('/')[0]?.replaceAll('.', '-')}`,
      MACHINE_DISK: options.disk,
      MACHINE_CGROUP: cgroupOf(network.platform, options.instanceId),
      MACHINE_REGISTRY: options.registryUrl,
      MACHINE_BOOTSTRAP: options.bootstrap,
    },
  });
  closeSync(console);
  const off = new Promise<void>((resolve) => child.once('close', () => resolve()));
  try {
    const pid = await initProcess(child);
    await network.connect(slot, pid);
    await ready(child, options);
    return { pid, off, powerOff: (how) => powerOff(child, pid, off, how) };
  } catch (cause) {
    child.kill('SIGKILL');
    await off;
    throw new Error(
      `Machine ${options.instanceId} did not boot: ${messageOf(cause)}${await logsOf(options)}`,
      { cause },
    );
  }
}

/** Name of the cgroup under which the engine of a machine puts its containers. */
export function cgroupOf(platform: string, instanceId: string): string {
  return `/eph-${platform}-${instanceId}`;
}

/** setpriv turns into unshare, whose only child is pid 1 of the machine. */
async function initProcess(child: ChildProcess): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', reject);
  });
  const file = `/proc/${child.pid}/task/${child.pid}/children`;
  for (const end = Date.now() + 5_000; Date.now() < end; ) {
    const pid = Number((await readFile(file, 'utf8').catch(() => '')).trim().split(' ')[0]);
    if (pid > 0) return pid;
    if (child.exitCode !== null) break;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  throw new Error('unshare started no process (it needs root and Linux namespaces).');
}

function ready(child: ChildProcess, { disk }: MachineOptions): Promise<void> {
  const pipe = child.stdio[3] as Readable;
  return new Promise((resolve, reject) => {
    const late = setTimeout(
      () => reject(new Error(`its engine did not answer within ${BOOT_MS / 1000} s.`)),
      BOOT_MS,
    );
    pipe.once('data', () => {
      clearTimeout(late);
      resolve();
    });
    child.once('exit', () => {
      clearTimeout(late);
      reject(new Error(`it went off while booting (engine's log: ${join(disk, 'dockerd.log')}).`));
    });
  });
}

async function powerOff(
  child: ChildProcess,
  pid: number,
  off: Promise<void>,
  how: 'orderly' | 'plug',
): Promise<void> {
  if (how === 'orderly' && child.exitCode === null && child.signalCode === null) {
    process.kill(pid, 'SIGTERM');
    const plug = setTimeout(() => child.kill('SIGKILL'), ORDERLY_MS);
    await off;
    clearTimeout(plug);
    return;
  }
  child.kill('SIGKILL');
  await off;
}

async function logsOf({ disk, console }: MachineOptions): Promise<string> {
  const ends = await Promise.all(
    [console, join(disk, 'dockerd.log')].map(async (file) => {
      const lines = (await readFile(file, 'utf8').catch(() => '')).trim().split('\n');
      return lines.slice(-5).map((line) => `\n  ${line}`);
    }),
  );
  return ends.flat().join('');
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
