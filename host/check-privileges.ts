import type { ComposeProject, ComposeService } from './compose-project.ts';

/** What the machine cannot do at all (wasm, GPUs, other runtimes); it is refused for everybody. */
export interface ServiceRequest {
  service: string;
  /** The end of the sentence "`web` ...". */
  asks: string;
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
