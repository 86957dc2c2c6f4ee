import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bridgeName, platformId, removeBridge } from './create-network.ts';

/** Environment variable of every process that a platform started, in its machines too (not in containers). */
export const PLATFORM_MARK = 'EPH_LOCAL_PLATFORM';

/**
 * Removes what a killed run in the same folder left: processes (they should have ended with it), the bridge and its
 * rules, cgroups, disks, temporary files. They are found by the platform's id, a hash of the folder, so another
 * platform's are never touched. Mounts and links need no work: the kernel removes them with the machines' namespaces.
 * @throws if the platform that owns the folder is still running
 */
export async function cleanLeftovers(dir: string): Promise<void> {
  const owner = await ownerOf(dir);
  if (owner) {
    throw new Error(
      `Another local platform (process ${owner}) is running with ${dir}. Stop it first, or use another checkout.`,
    );
  }
  const platform = platformId(dir);
  const pids = await markedProcesses(platform);
  for (const pid of pids) kill(pid);
  await gone(pids);
  await removeBridge(bridgeName(platform));
  await removeCgroups(`eph-${platform}-`);
  await rm(temporaryFolder(dir), { recursive: true, force: true });
  await rm(dir, { recursive: true, force: true });
}

/**
 * The folder for temporary files of a platform's processes, so that those of a killed one are found again. It is not
 * below `dir`: paths of sockets have at most 107 characters, however deep the checkout is.
 */
export function temporaryFolder(dir: string): string {
  return join(tmpdir(), `eph-${platformId(dir)}`);
}

/** Records that this process owns the folder until it ends. */
export async function own(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, 'owner'), `${process.pid} ${await startTime(process.pid)}`);
}

/** The living process that owns the folder; its start time distinguishes it from a later one with its number. */
async function ownerOf(dir: string): Promise<number | undefined> {
  const [pid = '', started] = (await readFile(join(dir, 'owner'), 'utf8').catch(() => '')).split(' ');
  if (!pid || Number(pid) === process.pid) return undefined;
  return (await startTime(Number(pid))) === started ? Number(pid) : undefined;
}

/** Field 22 of /proc/<pid>/stat, ticks since boot; the name in field 2 may contain blanks. */
async function startTime(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}

async function markedProcesses(platform: string): Promise<number[]> {
  const pids = (await readdir('/proc').catch(() => []))
    .map(Number)
    .filter((pid) => pid > 0 && pid !== process.pid);
  const marked = await Promise.all(
    pids.map(async (pid) => {
      const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
      return environment.split('\0').includes(`${PLATFORM_MARK}=${platform}`);
    }),
  );
  return pids.filter((_, index) => marked[index]);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // The process ended by itself, or with its machine.
  }
}

/** Waits until the kernel has removed killed processes: their mounts keep the disk busy until then. */
async function gone(pids: readonly number[]): Promise<void> {
  for (const end = Date.now() + 10_000; Date.now() < end; ) {
    if (pids.every((pid) => !existsSync(`/proc/${pid}`))) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/**
 * Deletes the empty cgroups of containers that were killed with their engine: `<prefix>*` under the unified
 * hierarchy or under each controller of version 1.
 */
export async function removeCgroups(prefix: string): Promise<void> {
  const root = '/sys/fs/cgroup';
  const hierarchies = existsSync(join(root, 'cgroup.controllers'))
    ? [root]
    : (await readdir(root).catch(() => [])).map((name) => join(root, name));
  for (const hierarchy of hierarchies) {
    const groups = (await readdir(hierarchy).catch(() => [])).filter((name) => name.startsWith(prefix));
    for (const group of groups) await removeCgroup(join(hierarchy, group));
  }
}

/** A killed process may keep its cgroup busy for some milliseconds after its end, so this tries for 1 s. */
async function removeCgroup(path: string): Promise<void> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) if (entry.isDirectory()) await removeCgroup(join(path, entry.name));
  for (let tries = 0; tries < 50; tries++) {
    const busy = await rmdir(path).then(
      () => false,
      (error: NodeJS.ErrnoException) => error.code === 'EBUSY',
    );
    if (!busy) return;
    await new Promise((wake) => setTimeout(wake, 20));
  }
}
