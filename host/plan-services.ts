import { MAX_PUBLIC_SERVICES } from '#core/limits';
import type { HostFailure, PublicService } from '#core/mailbox';
import { serviceHostname, shortHash } from '#core/names';
import { nearestName } from '#core/nearest-name';
import { type PreviewConfig, splitReference } from '#core/preview-config';
import { impossibleRequests } from './check-privileges.ts';
import { choosePrimary } from './choose-primary.ts';
import type { ComposeProject, ComposeService } from './compose-project.ts';
import { nonHttpPort } from './known-ports.ts';
import { MAX_PORT, type PublicPort, publicPorts } from './public-ports.ts';

/**
 * What of a compose project gets a URL, and where. `eph.yaml` decides where it says something (`primary`,
 * `routes`); otherwise every service that publishes an HTTP port (`public-ports.ts`) is public and
 * `choose-primary.ts` picks the one at `/`. With `routes`, only the primary and what they name is public.
 */
export const proxyService = 'eph-proxy';

export interface PlannedRoute {
  /** `/` for the primary. */
  path: string;
  service: string;
  stripPrefix: boolean;
}

export interface PlannedService extends PublicService {
  /** Where the proxy finds it. */
  upstream: string;
  /** Networks by which the proxy reaches it; none for services on the machine's own network. */
  networks: string[];
}

export type ServicePlan =
  | { ok: true; services: PlannedService[]; routes: PlannedRoute[]; warnings: string[] }
  | { ok: false; failure: HostFailure };

export interface PlanRequest {
  project: ComposeProject;
  config: PreviewConfig;
  hostname: string;
  repository: string;
}

export function planServices(request: PlanRequest): ServicePlan {
  const { project } = request;
  const names = Object.keys(project.services ?? {});
  if (names.length === 0) {
    return refuse(
      'nothing-to-start',
      'The compose file starts no service: all of them are behind profiles, or there are none. Set `COMPOSE_PROFILES` under `env` in eph.yaml to the profile a preview needs.',
    );
  }
  if (names.includes(proxyService)) {
    return refuse(
      'reserved-name',
      `A service of the compose file is called \`${proxyService}\`; Eph needs that name. Please rename it.`,
      proxyService,
    );
  }
  const [impossible] = impossibleRequests(project);
  if (impossible) {
    return refuse(
      'cannot-run',
      `\`${impossible.service}\` ${impossible.asks}, which a preview's machine (Linux x86-64, Docker) cannot run. Put it behind a profile, or list other files under \`compose\` in eph.yaml.`,
      impossible.service,
    );
  }
  const chosen = choosePorts(request);
  if (!chosen.ok) return chosen;
  const placed = place(request, chosen);
  return { ok: true, ...placed, warnings: [...chosen.warnings, ...tooMany(placed.services)] };
}

interface ChosenPorts {
  ok: true;
  primary: PublicPort;
  ports: PublicPort[];
  routes: PlannedRoute[];
  warnings: string[];
}

function choosePorts(request: PlanRequest): ChosenPorts | { ok: false; failure: HostFailure } {
  const { project, config } = request;
  const found = publicPorts(project);
  const ports = new Map(found.map((port) => [port.service, port]));
  const named = namedServices(config);
  for (const { key, service, port } of named) {
    const wanted = portOf(project, found, service, port);
    if (typeof wanted === 'string') return refuse('eph-yaml', `eph.yaml: \`${key}\` ${wanted}`, service);
    ports.set(service, wanted);
  }
  const routed = Object.entries(config.routes);
  const primaryName = config.primary && splitReference(config.primary).service;
  const primary = primaryName ? ports.get(primaryName) : choosePrimary(found, project, request.repository);
  if (!primary) return refuse('nothing-public', nothingPublic(project));
  const isPublic = (service: string) =>
    routed.length === 0 || service === primary.service || named.some((entry) => entry.service === service);
  const chosen = [...ports.values()].filter((port) => isPublic(port.service));
  const routes: PlannedRoute[] = routed.map(([path, { service, strip_prefix }]) => ({
    path,
    service,
    stripPrefix: strip_prefix,
  }));
  for (const { service } of chosen) {
    if (service === primary.service) routes.push({ path: '/', service, stripPrefix: false });
    else if (!routes.some((route) => route.service === service))
      routes.push({ path: `/${service}`, service, stripPrefix: true });
  }
  const warnings = unusualPorts(chosen);
  return { ok: true, primary, ports: chosen, routes, warnings };
}

function namedServices(config: PreviewConfig): { key: string; service: string; port?: number | undefined }[] {
  const routes = Object.entries(config.routes).map(([path, { service, port }]) => ({
    key: `routes.${path}`,
    service,
    port,
  }));
  return config.primary ? [{ key: 'primary', ...splitReference(config.primary) }, ...routes] : routes;
}

/** The port of a service that `eph.yaml` names, or what is wrong with naming it. */
function portOf(
  project: ComposeProject,
  found: readonly PublicPort[],
  name: string,
  port: number | undefined,
): PublicPort | string {
  const service = project.services?.[name];
  if (!service) {
    const near = nearestName(name, Object.keys(project.services ?? {}));
    const others = Object.keys(project.services ?? {})
      .map((other) => `\`${other}\``)
      .join(', ');
    return `names \`${name}\`, which the compose file does not start. ${near ? `Did you mean \`${near}\`?` : `It starts ${others}.`}`;
  }
  if (port !== undefined) return { service: name, port, published: port };
  const known = found.find((candidate) => candidate.service === name);
  if (known) return known;
  const declared = [
    ...(service.ports ?? []).map((entry) => entry.target),
    ...(service.expose ?? []).map(Number),
  ].filter((candidate) => candidate <= MAX_PORT);
  const only = declared.find((candidate) => candidate > 0 && !nonHttpPort(candidate)) ?? declared[0];
  if (only) return { service: name, port: only, published: only };
  return `names \`${name}\`, which publishes no port. Write the port it listens on, like \`${name}:3000\`.`;
}

function nothingPublic(project: ComposeProject): string {
  const services = Object.entries(project.services ?? {});
  const onHost = services.find(([, service]) => service.network_mode === 'host');
  const fix =
    'Publish the port of the service a browser should open (`ports: ["3000"]`), or name it in eph.yaml (`primary: web:3000`).';
  if (onHost)
    return `No service publishes an HTTP port, and \`${onHost[0]}\` uses the machine's network, where its ports are not declared. ${fix}`;
  const other = services.flatMap(([name, service]) =>
    (service.ports ?? []).map((port) => `\`${name}\` publishes ${port.target}/${port.protocol ?? 'tcp'}`),
  );
  if (other.length === 0) return `No service publishes a port, so there is nothing to open. ${fix}`;
  return `No service publishes an HTTP port: ${other.slice(0, 6).join(', ')}. ${fix}`;
}

/** Only `eph.yaml` can name such a port; people do it by mistake more often than on purpose. */
function unusualPorts(chosen: readonly PublicPort[]): string[] {
  return chosen.flatMap(({ service, port }) => {
    const usually = nonHttpPort(port);
    return usually
      ? [`Port ${port} of \`${service}\` is usually ${usually}; eph.yaml says it is a page.`]
      : [];
  });
}

function place(
  request: PlanRequest,
  chosen: ChosenPorts,
): { services: PlannedService[]; routes: PlannedRoute[] } {
  const taken = new Set([request.hostname]);
  const hostnameOf = (name: string) => {
    const plain = serviceHostname(name, request.hostname);
    // `a_b` and `a-b` are two services of compose and one label of DNS.
    const free = taken.has(plain) ? serviceHostname(`${shortHash(name)}-${name}`, request.hostname) : plain;
    taken.add(free);
    return free;
  };
  const services = chosen.ports.map(({ service: name, port }): PlannedService => {
    const primary = name === chosen.primary.service;
    const { host, networks } = reach(request.project, name);
    return {
      name,
      port,
      primary,
      hostname: primary ? request.hostname : hostnameOf(name),
      path:
        chosen.routes.find((route) => route.service === name && (!primary || route.path === '/'))?.path ??
        '/',
      upstream: `${host}:${port}`,
      networks,
    };
  });
  services.sort((a, b) => Number(b.primary) - Number(a.primary) || (a.name < b.name ? -1 : 1));
  return { services, routes: chosen.routes };
}

/** The control plane makes no more DNS records than this; the proxy knows the others all the same. */
function tooMany(services: readonly PlannedService[]): string[] {
  const others = services.slice(MAX_PUBLIC_SERVICES);
  if (others.length === 0) return [];
  const [first] = others;
  return [
    `Only ${MAX_PUBLIC_SERVICES} services get an address of their own; \`${first?.name}\` and what follows in the alphabet (${others.length}) can be opened below the main address only. \`routes\` in eph.yaml chooses the services.`,
  ];
}

/** `network_mode` decides under which name, and through which networks, a service is reached. */
function reach(project: ComposeProject, name: string): { host: string; networks: string[] } {
  const service: ComposeService | undefined = project.services?.[name];
  const mode = service?.network_mode ?? '';
  if (mode === 'host') return { host: 'host.docker.internal', networks: [] };
  const partner = /^service:(.+)$/.exec(mode)?.[1];
  if (partner && partner !== name && project.services?.[partner]) return reach(project, partner);
  return { host: name, networks: Object.keys(service?.networks ?? { default: null }) };
}

function refuse(code: string, sentence: string, service?: string): { ok: false; failure: HostFailure } {
  return { ok: false, failure: { code, sentence, log: [], ...(service === undefined ? {} : { service }) } };
}
