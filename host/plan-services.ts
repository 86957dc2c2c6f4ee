import { MAX_PUBLIC_SERVICES } from '#core/limits';
import { serviceHostname, shortHash } from '#core/names';
import { nearestName } from '#core/nearest-name';
import { type PreviewConfig, splitReference } from '#core/preview-config';
import type { HostFailure, PublicService } from '../lambdas/providers/ec2/mailbox.ts';
import { impossibleRequests } from './check-privileges.ts';
import { choosePrimary } from './choose-primary.ts';
import { type ComposeProject, type ComposeService, isSwitchedOff, labelsOf } from './compose-project.ts';
import { hostPortWarnings } from './host-port-warnings.ts';
import { isCompanion, isStoreImage, isTlsPort, nonHttpPort } from './known-ports.ts';
import { cpuWarnings, machineMisfit } from './machine-misfit.ts';
import { MAX_PORT, type PublicPort, publicPorts, type UnsetPorts } from './public-ports.ts';
import { isJob } from './service-names.ts';

/**
 * Which parts of a compose project get a URL, and where. `eph.yaml` decides where it says something (`primary`,
 * `routes`); otherwise every HTTP port that is published (`public-ports.ts`) is public and `choose-primary.ts` picks
 * the one at `/`. With `routes`, only the primary and the named services are public.
 *
 * Gotcha: two ports of one service are two entries of this plan; only name and port together tell them apart.
 */
export const proxyService = 'eph-proxy';

export interface PlannedRoute {
  /** `/` for the primary. */
  path: string;
  service: string;
  port: number;
  stripPrefix: boolean;
}

export interface PlannedService extends PublicService {
  /** The address at which the proxy finds it. */
  upstream: string;
  /** The service speaks TLS there, with a self-signed certificate. */
  tls: boolean;
  /** The service does not see the path that it has on the main address. */
  stripPrefix: boolean;
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
  /** Absolute path of the checkout: a file that is mounted from there is the repository's own. */
  root: string;
  /** The machine it is going to run on. */
  machine: { arch: string; cpus: number };
  /** Ports whose host port is a variable without a value. */
  unsetPorts?: UnsetPorts;
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
  const misfit = machineMisfit(project, request.machine.arch);
  if (misfit) return refuse('cannot-run', misfit.sentence, misfit.service);
  const [impossible] = impossibleRequests(project);
  if (impossible) {
    return refuse(
      'cannot-run',
      `\`${impossible.service}\` ${impossible.asks}, which a preview's machine (Linux x86-64, Docker) cannot run. Put it behind a profile, or list other files under \`compose\` in eph.yaml.`,
      impossible.service,
    );
  }
  const warnings = [...cpuWarnings(project, request.machine.cpus), ...hostPortWarnings(project)];
  const chosen = choosePorts(request);
  if (!chosen.ok) return chosen;
  const placed = place(request, chosen);
  return { ok: true, ...placed, warnings: [...warnings, ...chosen.warnings, ...tooMany(placed.services)] };
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
  const found = publicPorts(project, request.unsetPorts);
  const named: PublicPort[] = [];
  for (const { key, service, port } of namedServices(config)) {
    const wanted = portOf(project, found, service, port);
    if (typeof wanted === 'string') return refuse('eph-yaml', `eph.yaml: \`${key}\` ${wanted}`, service);
    named.push(wanted);
  }
  if (!config.primary && found.length > 0 && onlyCompanions(project, found, request.root)) {
    return refuse('only-companions', companionsSentence(found));
  }
  const choice = choosePrimary(found, project, request.repository, request.hostname);
  const primary = config.primary ? named[0] : choice?.primary;
  if (!primary) return refuse('nothing-public', nothingPublic(project));
  const routed = Object.entries(config.routes);
  const ports = unique([primary, ...named, ...(routed.length === 0 ? found : [])]);
  const routes: PlannedRoute[] = routed.map(([path, { service, port, strip_prefix }]) => ({
    path,
    service,
    port: port ?? named.find((candidate) => candidate.service === service)?.port ?? 0,
    stripPrefix: strip_prefix,
  }));
  routes.push({ path: '/', service: primary.service, port: primary.port, stripPrefix: false });
  for (const candidate of ports) {
    if (routes.some((route) => isSame(route, candidate))) continue;
    const { service, port } = candidate;
    // The first port of a service has the service's name, unless `/` serves that port.
    const first = ports.find((other) => other.service === service);
    const path = first === candidate ? `/${service}` : `/${service}-${port}`;
    routes.push({ path, service, port, stripPrefix: true });
  }
  const warnings = [
    ...unusualPorts(named),
    ...(config.primary ? [] : closeChoice(primary, choice?.competitors ?? [])),
  ];
  return { ok: true, primary, ports, routes, warnings };
}

function isSame(a: { service: string; port: number }, b: { service: string; port: number }): boolean {
  return a.service === b.service && a.port === b.port;
}

function unique(ports: readonly PublicPort[]): PublicPort[] {
  return ports.filter((port, index) => ports.findIndex((other) => isSame(other, port)) === index);
}

function closeChoice(primary: PublicPort, competitors: readonly string[]): string[] {
  if (competitors.length === 0) return [];
  const others = competitors.slice(0, 5).map((name) => `\`${name}\``);
  return [
    `\`${primary.service}\` is at \`/\`; ${others.join(', ')} could be meant as well. \`primary: ${competitors[0]}\` in eph.yaml chooses.`,
  ];
}

/**
 * Stores and tools without the application that uses them: it runs outside of compose. A service that is built here,
 * or has a plugin or theme of the repository mounted, is the application.
 */
function onlyCompanions(project: ComposeProject, found: readonly PublicPort[], root: string): boolean {
  return Object.entries(project.services ?? {}).every(([name, service]) => {
    if (isSwitchedOff(service)) return true;
    if (service.build || extendsProduct(service, root)) return false;
    const hasPage = found.some((port) => port.service === name);
    return (
      isCompanion(name, service) || isStoreImage(service.image ?? '') || (isJob(name, service) && !hasPage)
    );
  });
}

function extendsProduct({ volumes }: ComposeService, root: string): boolean {
  return (volumes ?? []).some(
    ({ source, target }) =>
      source?.startsWith(`${root}/`) &&
      /\/(?:plugins|themes|providers|extensions|addons)(?:\/|$)/.test(target ?? ''),
  );
}

function companionsSentence(found: readonly PublicPort[]): string {
  const names = [...new Set(found.map(({ service }) => `\`${service}\``))].slice(0, 5);
  const [first = ''] = found.map(({ service }) => service);
  return `The compose file starts only what an application needs beside it (${names.join(', ')}), not the application. Add the application as a service, or, if that is what you want to open, write \`primary: ${first}\` in eph.yaml.`;
}

function namedServices(config: PreviewConfig): { key: string; service: string; port?: number | undefined }[] {
  const routes = Object.entries(config.routes).map(([path, { service, port }]) => ({
    key: `routes.${path}`,
    service,
    port,
  }));
  return config.primary ? [{ key: 'primary', ...splitReference(config.primary) }, ...routes] : routes;
}

/** The port of a service that `eph.yaml` names, or the error in that name. */
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
  if (isSwitchedOff(service)) return `names \`${name}\`, which is switched off (\`replicas: 0\`).`;
  if (service.network_mode === 'none')
    return `names \`${name}\`, which has no network (\`network_mode: none\`).`;
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
    (service.ports ?? []).map(({ target, protocol }) => {
      const usually = protocol === 'udp' ? undefined : nonHttpPort(target);
      return `\`${name}\` publishes ${target}/${protocol ?? 'tcp'}${usually ? ` (${usually})` : ''}`;
    }),
  );
  if (other.length === 0) return `No service publishes a port, so there is nothing to open. ${fix}`;
  return `No service publishes an HTTP port: ${other.slice(0, 6).join(', ')}. ${fix}`;
}

/** Only `eph.yaml` can name such a port; people do so more often by mistake than on purpose. */
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
    // `a_b` and `a-b` are two services for compose, and one label for DNS.
    const free = taken.has(plain) ? serviceHostname(`${shortHash(name)}-${name}`, request.hostname) : plain;
    taken.add(free);
    return free;
  };
  const services = chosen.ports.map((candidate): PlannedService => {
    const { service: name, port } = candidate;
    const primary = isSame(candidate, chosen.primary);
    const { host, networks } = reach(request.project, name);
    const first = chosen.ports.find((other) => other.service === name) === candidate;
    const route = chosen.routes.find((known) => isSame(known, candidate));
    return {
      name,
      port,
      primary,
      hostname: primary ? request.hostname : hostnameOf(first ? name : `${name}-${port}`),
      path: primary ? '/' : (route?.path ?? '/'),
      upstream: `${host}:${port}`,
      tls: speaksTls(request.project.services?.[name] ?? {}, port),
      stripPrefix: !primary && (route?.stripPrefix ?? false),
      networks,
    };
  });
  services.sort(
    (a, b) => Number(b.primary) - Number(a.primary) || (a.name === b.name ? 0 : a.name < b.name ? -1 : 1),
  );
  return { services, routes: chosen.routes };
}

/** The control plane makes no more DNS records than this; the proxy still knows the other hosts. */
function tooMany(services: readonly PlannedService[]): string[] {
  const others = services.slice(MAX_PUBLIC_SERVICES);
  if (others.length === 0) return [];
  const [first] = others;
  return [
    `Only ${MAX_PUBLIC_SERVICES} services get an address of their own; \`${first?.name}\` and what follows in the alphabet (${others.length}) can be opened below the main address only. \`routes\` in eph.yaml chooses the services.`,
  ];
}

/** Known by the custom of the port, or because the file says so: nobody can ask the service before it runs. */
function speaksTls(service: ComposeService, port: number): boolean {
  if (isTlsPort(port)) return true;
  const { healthcheck, environment } = service;
  const scheme = labelsOf(service).some(
    ([key, value]) => /^traefik\..*\.scheme$/.test(key) && value === 'https',
  );
  const said = JSON.stringify([healthcheck, environment?.['ASPNETCORE_URLS']]);
  return scheme || new RegExp(`https://[^/:"]+:${port}\\b`).test(said);
}

/** `network_mode` decides under which name, and through which networks, a service is reached. */
function reach(project: ComposeProject, name: string): { host: string; networks: string[] } {
  const service: ComposeService | undefined = project.services?.[name];
  const mode = service?.network_mode ?? '';
  if (mode === 'host') return { host: 'host.docker.internal', networks: [] };
  const partner = partnerOf(project, mode);
  if (partner && partner !== name && project.services?.[partner]) return reach(project, partner);
  return { host: name, networks: Object.keys(service?.networks ?? { default: null }) };
}

/**
 * The service whose network another one shares. `container:x` names a container, and `container_name` is removed
 * (override-file.ts), so the service is looked up.
 */
export function partnerOf(project: ComposeProject, mode: string): string | undefined {
  const container = /^container:(.+)$/.exec(mode)?.[1];
  const named = Object.entries(project.services ?? {}).find(
    ([, service]) => container !== undefined && service.container_name === container,
  );
  return named?.[0] ?? /^service:(.+)$/.exec(mode)?.[1];
}

function refuse(code: string, sentence: string, service?: string): { ok: false; failure: HostFailure } {
  return { ok: false, failure: { code, sentence, log: [], ...(service === undefined ? {} : { service }) } };
}
