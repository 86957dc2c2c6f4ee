import { imagesBuiltElsewhere } from './built-images.ts';
import type { ComposeProject, ComposeService } from './compose-project.ts';
import { freeAddress } from './free-address.ts';
import { fits } from './machine-misfit.ts';
import { type PlannedService, partnerOf, proxyService } from './plan-services.ts';

/**
 * The compose file that Eph lays over the repository's. It removes the host ports (the proxy reaches services by
 * name), turns `container_name` into a network alias (a fixed name would outlive `down` and collide), gives services
 * their variables, and adds the proxy. Settings that are valid but would not start on this machine (more CPUs, other
 * platforms to build for, Docker's own bridge) are adapted to it.
 *
 * Gotchas
 * - `!reset` needs docker compose >= 2.24.
 * - Values of the override are interpolated like any other: `$` is written `$$`.
 * - The label `eph.mounted` holds a hash of the files mounted into the service. A changed file changes the label, so
 *   that `up` itself recreates a container that would otherwise go on with the old file.
 */
export interface OverrideRequest {
  project: ComposeProject;
  services: readonly PlannedService[];
  /** Variables for services that are public or built, where the compose file does not set them. */
  variables: Readonly<Record<string, string>>;
  /** Per service, the hash of its bind-mounted files; services without such files are not in it. */
  mounted: Readonly<Record<string, string>>;
  /** The names that others may use for the images of this project: by its own name, and by the repository's. */
  projectNames: readonly string[];
  machine: { arch: string; cpus: number };
  proxy: { image: string; port: number; configFolder: string; runFolder: string; logFolder: string };
}

/**
 * Many servers run as process 1 and ignore SIGTERM (Node does by default); with Docker's 10 s each push would
 * wait for them. Databases and workers keep their own time.
 */
const SERVER_STOPS_IN = '2s';

export function overrideFile(request: OverrideRequest): string {
  const lines = ['services:'];
  for (const [name, service] of Object.entries(request.project.services ?? {})) {
    const entries = serviceEntries(name, service, request);
    lines.push(`  ${yaml(name)}:`, ...entries.map((entry) => `    ${entry}`));
  }
  lines.push(`  ${proxyService}:`, ...proxyEntries(request).map((entry) => `    ${entry}`));
  lines.push('networks:', `  ${proxyService}: {}`);
  return `${lines.join('\n')}\n`;
}

function serviceEntries(name: string, service: ComposeService, request: OverrideRequest): string[] {
  const entries = [
    'ports: !reset []',
    'container_name: !reset null',
    ...imageEntries(name, service, request),
    ...networkEntries(name, service, request.project),
    ...machineEntries(service, request.machine),
  ];
  const isPublic = request.services.some((planned) => planned.name === name);
  if (isPublic || service.build) {
    const missing = Object.entries(request.variables).filter(
      ([key]) => !(key in (service.environment ?? {})),
    );
    if (missing.length > 0) entries.push(`environment: ${yaml(Object.fromEntries(missing))}`);
  }
  if (isPublic && !service.stop_grace_period) entries.push(`stop_grace_period: ${SERVER_STOPS_IN}`);
  const mounted = request.mounted[name];
  if (mounted) entries.push(`labels: ${yaml({ 'eph.mounted': mounted })}`);
  return entries;
}

/**
 * An image that is built here is never fetched: `pull` asks the registry for the image of a service that only uses
 * what another one builds, and `pull_policy: always` would replace the built image by the published one. Other images
 * are fetched once, since a push is no reason for another database, unless the file itself says when.
 */
function imageEntries(name: string, service: ComposeService, request: OverrideRequest): string[] {
  const builtAs = imagesBuiltElsewhere(request.project, request.projectNames).get(name);
  if (builtAs && builtAs !== service.image) return [`image: ${yaml(builtAs)}`, 'pull_policy: never'];
  if (builtAs || service.build) return ['pull_policy: never'];
  const said = service.pull_policy && service.pull_policy !== 'build';
  return said ? [] : ['pull_policy: missing'];
}

function networkEntries(name: string, service: ComposeService, project: ComposeProject): string[] {
  const mode = service.network_mode ?? '';
  const partner = mode.startsWith('container:') ? partnerOf(project, mode) : undefined;
  if (partner) return [`network_mode: ${yaml(`service:${partner}`)}`];
  // On Docker's own bridge nothing has a name: the proxy could not find it.
  const bridge = mode === 'bridge' || mode === 'default';
  const entries = bridge ? ['network_mode: !reset null'] : [];
  if (!service.container_name || service.container_name === name || (mode !== '' && !bridge)) return entries;
  const networks = Object.keys(service.networks ?? { default: null });
  const alias = { aliases: [service.container_name] };
  return [...entries, `networks: ${yaml(Object.fromEntries(networks.map((network) => [network, alias])))}`];
}

function machineEntries(service: ComposeService, { arch, cpus }: OverrideRequest['machine']): string[] {
  const entries: string[] = [];
  if ((service.cpus ?? 0) > cpus) entries.push(`cpus: ${cpus}`);
  if ((service.deploy?.resources?.limits?.cpus ?? 0) > cpus)
    entries.push(`deploy: ${yaml({ resources: { limits: { cpus: String(cpus) } } })}`);
  if (service.cpuset && !fits(service.cpuset, cpus)) entries.push('cpuset: !reset null');
  // The engine's own builder makes images of one platform only.
  if ((service.build?.platforms ?? []).length > 1)
    entries.push('build:', `  platforms: !override ${yaml([`linux/${arch}`])}`);
  return entries;
}

function proxyEntries({ project, services, proxy }: OverrideRequest): string[] {
  const networks = [...new Set([proxyService, ...services.flatMap((service) => service.networks)])];
  const attachment = (network: string) => {
    const address = freeAddress(project, network);
    return address ? { ipv4_address: address } : {};
  };
  const bind = (source: string, target: string, readOnly: boolean) => ({
    type: 'bind',
    source,
    target,
    read_only: readOnly,
  });
  const volumes = [
    bind(proxy.configFolder, '/etc/eph', true),
    bind(proxy.runFolder, '/run/eph', false),
    bind(proxy.logFolder, '/var/log/eph', false),
  ];
  return [
    `image: ${yaml(proxy.image)}`,
    'pull_policy: missing',
    'entrypoint: []',
    `command: ${yaml(['caddy', 'run', '--config', '/etc/eph/caddy.json'])}`,
    'restart: unless-stopped',
    'init: true',
    `ports: ${yaml([`127.0.0.1:${proxy.port}:80`])}`,
    `volumes: ${yaml(volumes)}`,
    `extra_hosts: ${yaml(['host.docker.internal:host-gateway'])}`,
    `networks: ${yaml(Object.fromEntries(networks.map((network) => [network, attachment(network)])))}`,
  ];
}

/** JSON is YAML; only the `$` of the interpolation must be escaped. */
function yaml(value: unknown): string {
  return JSON.stringify(value).replaceAll('$', '$$$$');
}
