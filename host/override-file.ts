import type { ComposeProject, ComposeService } from './compose-project.ts';
import { type PlannedService, proxyService } from './plan-services.ts';

/**
 * The compose file that Eph lays over the repository's: it takes the host ports away (the proxy reaches
 * services by name), turns `container_name` into a network alias (a fixed name would outlive `down` and
 * collide), gives services their variables, and adds the proxy.
 *
 * Gotchas
 * - `!reset` needs docker compose >= 2.24.
 * - Values of the override are interpolated like any other: `$` is written `$$`.
 * - The label `eph.mounted` holds a hash of the files mounted into the service. A changed file changes the
 *   label, so that `up` itself recreates what would otherwise go on with the old file.
 */
export interface OverrideRequest {
  project: ComposeProject;
  services: readonly PlannedService[];
  /** Variables for services that are public or built, where the compose file does not set them. */
  variables: Readonly<Record<string, string>>;
  /** Per service: hash of its bind-mounted files; services without are left out. */
  mounted: Readonly<Record<string, string>>;
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
  const entries = ['ports: !reset []', 'container_name: !reset null'];
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
  if (service.container_name && service.container_name !== name && !service.network_mode) {
    const networks = Object.keys(service.networks ?? { default: null });
    const alias = { aliases: [service.container_name] };
    entries.push(`networks: ${yaml(Object.fromEntries(networks.map((network) => [network, alias])))}`);
  }
  return entries;
}

function proxyEntries({ services, proxy }: OverrideRequest): string[] {
  const networks = [...new Set([proxyService, ...services.flatMap((service) => service.networks)])];
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
    'entrypoint: []',
    `command: ${yaml(['caddy', 'run', '--config', '/etc/eph/caddy.json'])}`,
    'restart: unless-stopped',
    'init: true',
    `ports: ${yaml([`127.0.0.1:${proxy.port}:80`])}`,
    `volumes: ${yaml(volumes)}`,
    `extra_hosts: ${yaml(['host.docker.internal:host-gateway'])}`,
    `networks: ${yaml(Object.fromEntries(networks.map((network) => [network, {}])))}`,
  ];
}

/** JSON is YAML; only the interpolation's dollar needs care. */
function yaml(value: unknown): string {
  return JSON.stringify(value).replaceAll('$', '$$$$');
}
