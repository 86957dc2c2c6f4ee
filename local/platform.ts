import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseSettings, placeholderSettings } from '../infra/settings/settings.ts';
import { type ControlPlane, startControlPlane } from './control-plane.ts';
import { platformFile } from './find-platform.ts';
import { cleanLeftovers, own, PLATFORM_MARK, temporaryFolder } from './hosts/clean-leftovers.ts';
import { createNetwork, platformId } from './hosts/create-network.ts';
import { type Hosts, startHosts } from './hosts/start-hosts.ts';
import { startRegistry } from './images/start-registry.ts';
import { createWireLog, type WireEntry } from './wire-log.ts';

/**
 * The whole platform on one machine.
 *
 * Order of the start, each part before those that need its address:
 *   network -> registry -> control plane (`control-plane.ts`) -> machines
 * `close` uses the reverse order and leaves only caches (`cache/`) in the folder. The next platform, or `make
 * local-clean`, removes what a killed platform left; a second platform in the same folder is refused.
 *
 * Gotchas
 * - The receiver's address is in the machines' environment, and the machines are behind the receiver:
 *   the control plane gets a driver whose machines come later.
 * - State is in memory: a platform that ends loses everything, as after `make local-clean`.
 */

/** Images that the sample and most compose files need; made from packages once, then kept. */
const IMAGES = ['caddy:2', 'node:24', 'redis:7', 'nginx:1'];

/** It is beside the tools: the images are made from packages once, and `make local-clean` keeps them. */
const registryDir = join(import.meta.dirname, '..', '.tools/registry');

export interface PlatformOptions {
  /** `.local` of the checkout. */
  dir: string;
  wireLogFile?: string | undefined;
  onWire?(entry: WireEntry): void;
  log(line: string): void;
  /** Called with each line of functions, Worker and hosts; there are many. */
  detail?(source: string, line: string): void;
  /** Settings of the deployment: `TERMINATE_AFTER_SECONDS` and others. */
  settings?: Record<string, string>;
  images?: readonly string[];
  /** Ends a running start, between two steps or in the middle of the longest (images). */
  signal?: AbortSignal;
}

export interface Platform extends ControlPlane {
  hosts: Hosts;
  /** The folder with disks and console logs of the machines. */
  machinesDir: string;
}

export async function startPlatform(options: PlatformOptions): Promise<Platform> {
  const { dir, log, signal } = options;
  // The settings are checked before anything is started: otherwise the synthesis would report their errors a minute
  // later.
  parseSettings({ ...placeholderSettings, ...options.settings });
  const detail = options.detail ?? (() => undefined);
  const closers: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (const closer of closers.splice(0).toReversed())
      await closer().catch((error: unknown) => log(String(error)));
  };
  try {
    return await open();
  } catch (error) {
    await close();
    throw error;
  }

  async function open(): Promise<Platform> {
    const machinesDir = join(dir, 'machines');
    const cache = join(dir, 'cache');
    await mkdir(cache, { recursive: true });
    await cleanLeftovers(machinesDir);
    await own(machinesDir);
    // The file may be left from a killed run; until this run has written its own there is nothing to read.
    await rm(platformFile(dir), { force: true });
    closers.push(await markChildren(machinesDir));
    closers.push(() => rm(join(dir, 'github'), { recursive: true, force: true }));
    const wireLog = listening(createWireLog(options.wireLogFile), options.onWire);
    closers.push(wireLog.close);

    const network = await createNetwork(machinesDir);
    closers.push(network.close);
    if (network.isolated !== undefined) log(network.isolated);
    const registry = await startRegistry({ dir: registryDir, address: network.address, log, signal });
    closers.push(registry.close);
    await registry.ensureImages(options.images ?? IMAGES);
    signal?.throwIfAborted();

    const late: { hosts?: Hosts } = {};
    const controlPlane = await startControlPlane({
      dir,
      hostDriver: {
        start: (machine) => hostsOf(late).start(machine),
        stop: (instanceId) => hostsOf(late).stop(instanceId),
        terminate: (instanceId) => hostsOf(late).terminate(instanceId),
        run: (...command) => hostsOf(late).run(...command),
      },
      wireLog,
      alsoListenOn: [network.address],
      log,
      detail,
      settings: options.settings,
    });
    closers.push(controlPlane.close);
    signal?.throwIfAborted();
    const { aws, cloudflare } = controlPlane;
    late.hosts = await startHosts({
      dir: machinesDir,
      network,
      registryUrl: registry.url,
      edgeUrl: cloudflare.edgeAddressFor(network.address),
      awsUrl: `http://${network.address}:${new URL(aws.url).port}`,
      log: (line) => detail('hosts', line),
    });
    closers.push(late.hosts.close);
    return { ...controlPlane, hosts: late.hosts, machinesDir, close };
  }
}

/**
 * Marks everything that this process starts from now on, also children of libraries, so that `cleanLeftovers` finds
 * it after a kill: workerd outlives its parent. @returns a function that removes the files and restores the old
 * environment
 */
async function markChildren(machinesDir: string): Promise<() => Promise<void>> {
  const folder = temporaryFolder(machinesDir);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const before = { ...process.env };
  Object.assign(process.env, { TMPDIR: folder, [PLATFORM_MARK]: platformId(machinesDir) });
  return async () => {
    for (const name of ['TMPDIR', PLATFORM_MARK]) {
      const value = before[name];
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    await rm(folder, { recursive: true, force: true });
    await rm(machinesDir, { recursive: true, force: true });
  };
}

function hostsOf(late: { hosts?: Hosts }): Hosts {
  if (!late.hosts) throw new Error('The machines are not ready yet.');
  return late.hosts;
}

function listening(log: ReturnType<typeof createWireLog>, onWire: PlatformOptions['onWire']) {
  return {
    record(entry: WireEntry) {
      log.record(entry);
      onWire?.(entry);
    },
    close: log.close,
  };
}

/** Writes the whole file or nothing, because another process may be reading it. */
export async function writeWhole(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text, { mode: 0o600 });
  await rename(`${file}.new`, file);
}
