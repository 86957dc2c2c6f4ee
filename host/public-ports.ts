import {
  type ComposeProject,
  type ComposeService,
  isSwitchedOff,
  labelsOf,
  saidTo,
} from './compose-project.ts';
import {
  isCompanion,
  isStoreImage,
  isTlsPort,
  maybePagePort,
  nonHttpPort,
  pagePorts,
} from './known-ports.ts';
import { isJob } from './service-names.ts';

/**
 * Which ports of which services a browser could open. People say it in one of four ways; the first way that
 * the file uses for an application decides, so that a loopback debug port does not become a page next to a
 * real one, while a file that publishes everything on loopback still works. Companions (Mailpit, Adminer)
 * do not decide, or a published Mailpit would hide an application that is only exposed:
 *
 * 1. `8080:80`            a host port on all addresses; `${PORT}:80` without a value; what a proxy is told
 *                         by labels or `VIRTUAL_PORT`
 * 2. `127.0.0.1:8080:80`  a host port on loopback
 * 3. `80`                 a random host port
 * 4. `expose: [80]`       no host port at all
 */
export interface PublicPort {
  service: string;
  port: number;
  /** Host port as published; orders services that are otherwise equal. */
  published: number;
}

/** Compose takes `target: 70000` for a port. */
export const MAX_PORT = 65_535;

type Way = 1 | 2 | 3 | 4;
interface Candidate extends PublicPort {
  way: Way;
  companion: boolean;
}

/** `service:target` of ports whose host port is a variable without a value. */
export type UnsetPorts = ReadonlySet<string>;

/** The ports of one service stand together, the one that people mean first. */
export function publicPorts(project: ComposeProject, unset: UnsetPorts = new Set()): PublicPort[] {
  const services = Object.entries(project.services ?? {});
  const candidates = services.flatMap(([name, service]) => {
    if (isSwitchedOff(service) || service.network_mode === 'none') return [];
    return withoutTwins(portsOf(name, service, unset));
  });
  const open = candidates.filter((candidate) => !isCopiedJob(candidate, candidates, project));
  const applications = open.filter((candidate) => !candidate.companion);
  const way = Math.min(...(applications.length > 0 ? applications : open).map((candidate) => candidate.way));
  return open
    .filter((candidate) => candidate.way <= way)
    .map(({ service, port, published }) => ({ service, port, published }));
}

function portsOf(name: string, service: ComposeService, unset: UnsetPorts): Candidate[] {
  if (service.image && isStoreImage(service.image)) return [];
  const ports = service.ports ?? [];
  // The web page of a DNS or DHCP server administers a network that a preview does not have.
  if (ports.some((port) => port.published && (port.target === 53 || port.target === 67))) return [];
  const companion = isCompanion(name, service);
  const candidate = (port: number, published: number, way: Way): Candidate => ({
    service: name,
    port,
    published,
    way,
    companion,
  });
  const udp = new Set(ports.filter((port) => port.protocol === 'udp').map((port) => port.target));
  const tcp = ports.filter((port) => (port.protocol ?? 'tcp') === 'tcp' && isPort(port.target));
  const alone = new Set(tcp.map((port) => port.target)).size === 1 && !runsDebugger(service);
  const published = tcp
    .filter(({ target }) => !nonHttpPort(target) || (alone && maybePagePort(target)))
    // The same port over TCP and UDP belongs to another protocol (DNS, syslog), except for HTTP/3.
    .filter((port) => !udp.has(port.target) || port.target === 443)
    .map((port): Candidate => {
      const hostPort = Number.parseInt(port.published ?? '', 10);
      if (hostPort > 0) return candidate(port.target, hostPort, isLoopback(port.host_ip) ? 2 : 1);
      return candidate(port.target, port.target, unset.has(`${name}:${port.target}`) ? 1 : 3);
    });
  const exposed = (service.expose ?? []).map((entry) => Number.parseInt(entry, 10)).filter(isPagePort);
  const told = toldToProxy(service, exposed).map((port) => candidate(port, port, 1));
  const said = [...published, ...told];
  if (said.length > 0) return said;
  return exposed.map((port) => candidate(port, port, 4));
}

/**
 * If a debugger's port is the only one of a service, it is the application's, unless the application is being
 * debugged.
 */
function runsDebugger(service: ComposeService): boolean {
  return /--inspect|jdwp|debugpy|\bdlv\b|xdebug|rdbg/i.test(saidTo(service));
}

/**
 * What reverse proxies that watch Docker are told: Traefik and caddy-docker-proxy by labels, nginx-proxy by
 * variables. Without a port they take the exposed one, nginx-proxy 80.
 * https://doc.traefik.io/traefik/routing/providers/docker/
 */
function toldToProxy(service: ComposeService, exposed: readonly number[]): number[] {
  const { environment } = service;
  const entries = labelsOf(service);
  const traefik = entries.filter(([key]) =>
    /^traefik\.(?:http\.services\..*loadbalancer\.server\.)?port$/.test(key),
  );
  const caddy = entries.filter(([key]) => /^caddy(?:_\d+)?\..*reverse_proxy$/.test(key));
  const named = [
    ...traefik.map(([, value]) => Number.parseInt(value, 10)),
    ...caddy.map(([, value]) => Number.parseInt(/upstreams\D*(\d+)/.exec(value)?.[1] ?? '80', 10)),
  ].filter(isPort);
  if (named.length > 0) return named;
  const routed = entries.some(
    ([key, value]) =>
      (key === 'traefik.enable' && value === 'true') || /^traefik\.http\.routers\..*\.rule$/.test(key),
  );
  if (routed) return exposed.slice(0, 1);
  if (!environment?.['VIRTUAL_HOST']) return [];
  const virtual = Number.parseInt(String(environment['VIRTUAL_PORT'] ?? ''), 10);
  return [isPort(virtual) ? virtual : exposed.length === 1 ? (exposed[0] ?? 80) : 80];
}

function isPort(port: number): boolean {
  return port > 0 && port <= MAX_PORT;
}

function isPagePort(port: number): boolean {
  return isPort(port) && !nonHttpPort(port);
}

function isLoopback(address: string | null | undefined): boolean {
  return address === '::1' || (address ?? '').startsWith('127.');
}

/** Lists each port once, the best first, and no TLS port beside a plain one: the proxy in front ends TLS. */
function withoutTwins(candidates: readonly Candidate[]): Candidate[] {
  const sorted = [...candidates].sort((a, b) => a.way - b.way || compareOfOneService(a, b));
  const plain = sorted.some(({ port }) => !isTlsPort(port));
  return sorted.filter(
    ({ port }, index) =>
      sorted.findIndex((other) => other.port === port) === index && !(plain && isTlsPort(port)),
  );
}

function compareOfOneService(a: Candidate, b: Candidate): number {
  return rank(a.port) - rank(b.port) || a.published - b.published;
}

function rank(port: number): number {
  const found = pagePorts.indexOf(port);
  return found < 0 ? pagePorts.length : found;
}

/**
 * Whether a service is a job that inherits the application's port (`worker: {<<: *app, command: worker}`) and answers
 * nothing there.
 */
function isCopiedJob(
  { service: name, port }: Candidate,
  all: readonly Candidate[],
  project: ComposeProject,
): boolean {
  const service = project.services?.[name];
  if (!service || !isJob(name, service)) return false;
  return all.some((other) => {
    const original = project.services?.[other.service];
    if (other.service === name || other.port !== port || !original) return false;
    return !isJob(other.service, original) && codeOf(original) === codeOf(service);
  });
}

function codeOf({ image, build }: ComposeService): string {
  return image ?? JSON.stringify(build ?? null);
}
