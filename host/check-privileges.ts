import type { ComposeProject, ComposeService } from './compose-project.ts';

/**
 * What a service asks of its machine. The machine is the environment's own, so a branch may have most of
 * it, with a warning; a fork may not: it could read the metadata service and the mailbox's credentials.
 * What the machine cannot do at all (wasm, GPUs, other runtimes) is refused for everybody.
 */
export interface ServiceRequest {
  service: string;
  /** Ends the sentence "`web` ...". */
  asks: string;
}

/** Escapes from the container: `root` and `state` are folders of the checkout and of Eph itself. */
export function privilegedRequests(project: ComposeProject, root: string): ServiceRequest[] {
  return services(project).flatMap(([service, what]) => {
    const asks: string[] = [];
    if (what.privileged) asks.push('runs privileged');
    if (what.network_mode === 'host') asks.push("uses the machine's network");
    if (what.pid === 'host') asks.push("sees the machine's processes (`pid: host`)");
    if (what.ipc === 'host') asks.push("shares the machine's memory (`ipc: host`)");
    // The agent's own group may reach the metadata service (packer/files/eph.slice).
    if (what.cgroup_parent) asks.push(`chooses its control group (\`cgroup_parent: ${what.cgroup_parent}\`)`);
    if (what.cgroup === 'host') asks.push("sees the machine's control groups (`cgroup: host`)");
    if (what.userns_mode === 'host') asks.push('leaves the user namespace (`userns_mode: host`)');
    const capabilities = (what.cap_add ?? []).filter((name) => dangerousCapability.test(name));
    if (capabilities.length > 0) asks.push(`adds capabilities (${capabilities.join(', ')})`);
    const unconfined = (what.security_opt ?? []).filter((option) =>
      /unconfined|label[:=]disable/.test(option),
    );
    if (unconfined.length > 0) asks.push(`switches off confinement (${unconfined.join(', ')})`);
    if ((what.devices ?? []).length > 0) asks.push("uses the machine's devices");
    asks.push(...outsideMounts(what, root));
    return asks.map((ask) => ({ service, asks: ask }));
  });
}

const dangerousCapability =
  /^(?:CAP_)?(?:ALL|SYS_ADMIN|SYS_MODULE|SYS_PTRACE|SYS_RAWIO|SYS_BOOT|SYS_TIME|NET_ADMIN|NET_RAW|DAC_READ_SEARCH|BPF|PERFMON)$/i;

function outsideMounts(service: ComposeService, root: string): string[] {
  return (service.volumes ?? []).flatMap(({ type, source }) => {
    if (type !== 'bind' || !source || isInside(source, root)) return [];
    if (/\/docker\.sock$/.test(source)) return [`controls Docker (mounts ${source})`];
    return [`mounts ${source} of the machine`];
  });
}

/** Files behind `secrets:` and `configs:` can name any file of the machine, too. */
export function outsideFiles(project: ComposeProject, root: string): string[] {
  return [...Object.values(project.secrets ?? {}), ...Object.values(project.configs ?? {})].flatMap(
    ({ file }) => (file && !isInside(file, root) ? [file] : []),
  );
}

function isInside(path: string, root: string): boolean {
  return path === root || path.startsWith(root.endsWith('/') ? root : `${root}/`);
}

/** What no preview machine can run. */
export function impossibleRequests(project: ComposeProject): ServiceRequest[] {
  return services(project).flatMap(([service, what]) => {
    const platform = what.platform ?? '';
    const runtime = what.runtime ?? '';
    if (/^was[im]/.test(platform) || /wasm/.test(runtime)) {
      return [{ service, asks: `is a WebAssembly module (\`platform: ${platform || runtime}\`)` }];
    }
    if (/^windows/.test(platform)) return [{ service, asks: `is for Windows (\`platform: ${platform}\`)` }];
    if (runtime === 'nvidia' || needsGpu(what)) return [{ service, asks: 'needs a GPU' }];
    if (runtime !== '' && !/^(?:runc|io\.containerd\.runc\.v2)$/.test(runtime)) {
      return [{ service, asks: `needs the container runtime \`${runtime}\`` }];
    }
    return [];
  });
}

function needsGpu(service: ComposeService): boolean {
  const devices = service.deploy?.resources?.reservations?.devices ?? [];
  return (
    devices.length > 0 || (Array.isArray(service.gpus) ? service.gpus.length > 0 : Boolean(service.gpus))
  );
}

function services(project: ComposeProject): [string, ComposeService][] {
  return Object.entries(project.services ?? {});
}
