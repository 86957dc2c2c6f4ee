import type { Installed } from './agent-disk.ts';
import type { ProxyAdmin } from './proxy-admin.ts';

/**
 * A page whose scripts and styles are at `/assets/...` is blank under a prefix that the proxy takes off: it asks for
 * them at the primary. A mapping cannot repair that, so people are first sent to the service's own host name.
 */
export async function markOwnHosts(
  services: Installed['services'],
  silent: ReadonlySet<string>,
  proxy: Pick<ProxyAdmin, 'probe'>,
  signal: AbortSignal,
): Promise<Installed['services']> {
  return Promise.all(
    services.map(async (service) => {
      if (!service.stripPrefix || silent.has(service.name)) return service;
      const answer = await proxy.probe(service.hostname, '/', { signal });
      const blank = answer.kind === 'answered' && !answer.byProxy && usesRoot(answer.body);
      return blank ? { ...service, ownHost: true } : service;
    }),
  );
}

/** Whether a page loads something by an address that begins at the root of its host. */
export function usesRoot(body: string): boolean {
  return /<(?:script|link|img|base)\b[^>]*?\s(?:src|href)\s*=\s*["']?\/(?!\/)/i.test(body);
}
