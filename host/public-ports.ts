import type { ComposeProject, ComposeService } from './compose-project.ts';
import { isStoreImage, nonHttpPort, pagePorts } from './known-ports.ts';

/**
 * Which services a browser could open, and at which container port. People say it by publishing ports, in
 * one of four ways; the first way that anybody in the file uses decides, so that a loopback debug port does
 * not become a page next to a real one, while a file that publishes everything on loopback still works:
 *
 * 1. `8080:80`            a host port on all addresses
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
}

export function publicPorts(project: ComposeProject): PublicPort[] {
  const candidates = Object.entries(project.services ?? {}).flatMap(([name, service]) =>
    portsOf(name, service),
  );
  const way = Math.min(...candidates.map((candidate) => candidate.way));
  const best = new Map<string, Candidate>();
  for (const candidate of candidates.filter((found) => found.way === way)) {
    const known = best.get(candidate.service);
    if (!known || compareOfOneService(candidate, known) < 0) best.set(candidate.service, candidate);
  }
  return [...best.values()].map(({ service, port, published }) => ({ service, port, published }));
}

function portsOf(name: string, service: ComposeService): Candidate[] {
  if (service.image && isStoreImage(service.image)) return [];
  const ports = service.ports ?? [];
  // A DNS or DHCP server's web page is for administering a network that a preview does not have.
  if (ports.some((port) => port.published && (port.target === 53 || port.target === 67))) return [];
  const udp = new Set(ports.filter((port) => port.protocol === 'udp').map((port) => port.target));
  const published = ports
    .filter((port) => (port.protocol ?? 'tcp') === 'tcp' && isPagePort(port.target))
    // The same port over TCP and UDP is a protocol of its own (DNS, syslog), except HTTP/3.
    .filter((port) => !udp.has(port.target) || port.target === 443)
    .map((port): Candidate => {
      const hostPort = Number.parseInt(port.published ?? '', 10);
      const random = !(hostPort > 0);
      const way = random ? 3 : isLoopback(port.host_ip) ? 2 : 1;
      return { service: name, port: port.target, published: random ? port.target : hostPort, way };
    });
  if (published.length > 0) return published;
  return (service.expose ?? [])
    .map((entry) => Number.parseInt(entry, 10))
    .filter(isPagePort)
    .map((port) => ({ service: name, port, published: port, way: 4 as const }));
}

function isPagePort(port: number): boolean {
  return port > 0 && port <= MAX_PORT && !nonHttpPort(port);
}

function isLoopback(address: string | null | undefined): boolean {
  return address === '::1' || (address ?? '').startsWith('127.');
}

function compareOfOneService(a: Candidate, b: Candidate): number {
  return rank(a.port) - rank(b.port) || a.published - b.published;
}

function rank(port: number): number {
  const found = pagePorts.indexOf(port);
  return found < 0 ? pagePorts.length : found;
}
