/**
 * Worker routes of one zone. A route names a script, or none: then it switches Workers off for its pattern, so that a
 * preview that is up is served without the Worker.
 */
import { CloudflareError } from './cloudflare-error.ts';
import { createCollection } from './collection.ts';

/** developers.cloudflare.com/workers/platform/limits */
const MAX_ROUTES = 1_000;

export interface WorkerRoute {
  id: string;
  pattern: string;
  script?: string;
}

export type WorkerRoutes = ReturnType<typeof createWorkerRoutes>;

interface RoutesOptions {
  zone: string;
  newId: () => string;
  hasScript: (name: string) => boolean;
}

export function createWorkerRoutes({ zone, newId, hasScript }: RoutesOptions) {
  const routes = createCollection<WorkerRoute>(
    () => new CloudflareError(404, 10009, 'workers.api.error.route_not_found'),
  );

  const read = (body: { pattern: string; script?: string }, id: string): WorkerRoute => {
    requirePattern(body.pattern, zone);
    if (routes.all().some((route) => route.pattern === body.pattern)) {
      throw new CloudflareError(409, 10020, 'workers.api.error.duplicate_route');
    }
    if (body.script && !hasScript(body.script)) {
      throw new CloudflareError(404, 10007, 'workers.api.error.script_not_found');
    }
    return { id, pattern: body.pattern, ...(body.script ? { script: body.script } : {}) };
  };

  return {
    createRoute(body: { pattern: string; script?: string }): WorkerRoute {
      if (routes.all().length >= MAX_ROUTES) {
        throw new CloudflareError(400, 10021, `The zone has reached its limit of ${MAX_ROUTES} routes`);
      }
      return routes.add(read(body, newId().replaceAll('-', '')));
    },
    listRoutes: (): WorkerRoute[] => routes.all(),
    deleteRoute: (id: string): { id: string } => ({ id: routes.remove(id).id }),

    routesOfScript: (script: string): string[] =>
      routes
        .all()
        .filter((route) => route.script === script)
        .map(({ pattern }) => pattern),

    /** The most specific route for a URL without its scheme (`host/path?query`). */
    matchRoute(url: string): WorkerRoute | undefined {
      return routes
        .all()
        .filter((route) => matches(route.pattern, url))
        .toSorted((a, b) => specificity(b.pattern) - specificity(a.pattern))[0];
    },
  };
}

function requirePattern(pattern: string, zone: string): void {
  const { host, path } = split(pattern);
  const bare = host.replace(/^\*/, '');
  const inZone = bare === zone || bare.endsWith(`.${zone}`) || host === `*${zone}`;
  const stars = bare.includes('*') || path.replace(/\*$/, '').includes('*');
  if (inZone && !stars && !pattern.includes('?')) return;
  throw new CloudflareError(
    400,
    10022,
    `workers.api.error.invalid_route_pattern: ${pattern} (a host of ${zone}; * only at its start and at the end of the path)`,
  );
}

function split(pattern: string): { host: string; path: string } {
  const bare = pattern.replace(/^https?:\/\//, '');
  const slash = bare.indexOf('/');
  return slash < 0 ? { host: bare, path: '/' } : { host: bare.slice(0, slash), path: bare.slice(slash) };
}

function matches(pattern: string, url: string): boolean {
  const { host, path } = split(pattern);
  const source = `${host}${path}`
    .split('*')
    .map((text) => text.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
    .join('.*');
  return new RegExp(`^${source}$`, 's').test(url);
}

/** An exact host beats any wildcard host, a longer one a shorter; then the same for the path. */
function specificity(pattern: string): number {
  const { host, path } = split(pattern);
  return (
    (host.startsWith('*') ? 0 : 1_000_000) +
    host.length * 1_000 +
    path.length +
    (path.endsWith('*') ? 0 : 0.5)
  );
}
