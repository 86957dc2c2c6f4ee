import type { PlannedRoute, PlannedService } from './plan-services.ts';

/**
 * Caddy's JSON configuration: hostname and path -> service.
 *
 * - Removes what the application must not see: `Cf-Access-*` headers and `CF_*` cookies carry the visitor's
 *   identity token, and a pull request's code could collect it.
 * - Restores what the tunnel hides: scheme and address of the visitor.
 * - For a service whose prefix it takes off, it puts the prefix in front of what the application sends back:
 *   `Location`, and the `Path` of cookies.
 * - Marks every answer with `x-eph`, the application's as `application`, so that a 502 of the application or of
 *   this proxy can be told from the tunnel's (worker/preview.ts shows the waiting page for that one).
 * - The admin endpoint is a unix socket in a folder of the host: nothing on the networks can reach it.
 */
export interface ProxyRequest {
  services: readonly PlannedService[];
  routes: readonly PlannedRoute[];
  hostname: string;
  /** `https`, or the scheme of the URL template. */
  scheme: string;
}

/** Eph's own requests do not count as use of the preview, and are not logged. */
export const probeUserAgent = 'eph-health-check';
/** The mark in the access log that says: a person opened a page. */
export const navigationMark = 'navigation';

/** The `Host` that the admin socket requires; Caddy refuses others (DNS rebinding). */
export const adminHost = 'eph-admin';

type Json = string | number | boolean | Json[] | { [key: string]: Json };

export function proxyConfig(request: ProxyRequest): Json {
  return {
    admin: { listen: 'unix//run/eph/admin.sock', origins: [adminHost] },
    logging: {
      logs: {
        default: { level: 'WARN', exclude: ['http.log.access.eph'], encoder: withoutRequests() },
        access: {
          writer: { output: 'file', filename: '/var/log/eph/access.log', roll_size_mb: 5, roll_keep: 1 },
          encoder: withoutRequests(),
          include: ['http.log.access.eph'],
        },
      },
    },
    apps: {
      http: {
        servers: {
          eph: {
            listen: [':80'],
            automatic_https: { disable: true },
            logs: { default_logger_name: 'eph' },
            routes: [...marking(), ...cleaning(), ...serving(request), unknownHost()],
            errors: { routes: [unreachable()] },
          },
        },
      },
    },
  };
}

/**
 * The logs are on a machine that the pull request's author controls, and a request carries its visitor's tokens in
 * more headers than anybody can list (`Cf-Access-Client-Secret`). So no part of the request is logged, in the error
 * log neither. `last-use.ts` needs only time, duration, status and the mark of `marking()`.
 */
function withoutRequests(): Json {
  const fields = ['request', 'headers', 'resp_headers'].map((name) => [name, { filter: 'delete' }]);
  return { format: 'filter', wrap: { format: 'json' }, fields: Object.fromEntries(fields) };
}

/**
 * The one field of Caddy's access log that a configuration fills, in all of Caddy 2: `user_id` is the
 * placeholder `http.auth.user.id`. (`log_append` is from 2.8 on.) `skip_log` is `log_skip` since 2.8.
 */
function marking(): Json[] {
  const page = { method: ['GET'] };
  return [
    {
      match: [
        { ...page, header: { 'Sec-Fetch-Mode': ['navigate'] } },
        { ...page, header: { Accept: ['text/html*'] } },
      ],
      handle: [
        {
          handler: 'map',
          source: '',
          destinations: ['{http.auth.user.id}'],
          defaults: [navigationMark],
        },
      ],
    },
    {
      match: [{ header: { 'User-Agent': [probeUserAgent] } }],
      handle: [{ handler: 'vars', skip_log: true, log_skip: true }],
    },
  ];
}

function cleaning(): Json[] {
  const cookies = [
    { search_regexp: '(^|;\\s*)CF_[^=;]*=[^;]*', replace: '' },
    { search_regexp: '^\\s*;\\s*', replace: '' },
  ];
  return [
    {
      handle: [
        {
          handler: 'headers',
          request: { delete: ['Cf-Access-*', 'Cf-Authorization'], replace: { Cookie: cookies } },
        },
        { handler: 'vars', client: '{http.request.remote.host}' },
      ],
    },
    {
      match: [{ header_regexp: { Cookie: { pattern: '^\\s*$' } } }],
      handle: [{ handler: 'headers', request: { delete: ['Cookie'] } }],
    },
    {
      match: [{ header: { 'Cf-Connecting-Ip': ['*'] } }],
      handle: [{ handler: 'vars', client: '{http.request.header.Cf-Connecting-Ip}' }],
    },
  ];
}

function serving({ services, routes, hostname, scheme }: ProxyRequest): Json[] {
  const own = services
    .filter((service) => !service.primary)
    .map((service) => ({
      match: [{ host: [service.hostname] }],
      handle: [proxyTo(service, scheme)],
      terminal: true,
    }));
  // The order is the longest path first: `/api/admin` before `/api`, the primary last.
  const ordered = [...routes].sort((a, b) => b.path.length - a.path.length);
  const paths = ordered.flatMap((route): Json[] => {
    const service = services.find(({ name, port }) => name === route.service && port === route.port);
    if (!service) return [];
    if (route.path === '/') {
      return [{ match: [{ host: [hostname] }], handle: [proxyTo(service, scheme)], terminal: true }];
    }
    const match = [{ host: [hostname], path: [route.path, `${route.path}/*`] }];
    if (!route.stripPrefix) return [{ match, handle: [proxyTo(service, scheme)], terminal: true }];
    const strip = { handler: 'rewrite', strip_path_prefix: route.path };
    return [
      toFolder(hostname, route.path),
      {
        match,
        handle: [strip, proxyTo(service, scheme, { path: route.path, hostname, scheme })],
        terminal: true,
      },
    ];
  });
  return [...own, ...paths];
}

/** Redirects `/docs` to `/docs/`: the page's relative links would otherwise leave its prefix. */
function toFolder(hostname: string, path: string): Json {
  return {
    match: [
      {
        host: [hostname],
        path: [path],
        method: ['GET', 'HEAD'],
        expression: "{http.request.uri.query} == ''",
      },
    ],
    handle: [{ handler: 'static_response', status_code: 308, headers: { Location: [`${path}/`] } }],
    terminal: true,
  };
}

interface Prefix {
  path: string;
  /** Of the addresses that are below it. */
  hostname: string;
  scheme: string;
}

function proxyTo(service: PlannedService, scheme: string, prefix?: Prefix): Json {
  const set: Record<string, Json> = {
    'X-Forwarded-Proto': [scheme],
    'X-Forwarded-For': ['{http.vars.client}'],
    'X-Real-Ip': ['{http.vars.client}'],
  };
  if (prefix) set['X-Forwarded-Prefix'] = [prefix.path];
  const response: Record<string, Json> = { set: { 'X-Eph': ['application'] } };
  if (prefix) response['replace'] = belowPrefix(prefix);
  const transport: Record<string, Json> = { protocol: 'http', dial_timeout: '5s' };
  // A service that speaks only TLS shows a self-signed certificate.
  if (service.tls) transport['tls'] = { insecure_skip_verify: true };
  return {
    handler: 'subroute',
    routes: [
      {
        handle: [
          { handler: 'vars', service: service.name, upstream: service.upstream },
          {
            handler: 'reverse_proxy',
            upstreams: [{ dial: service.upstream }],
            transport,
            headers: { request: { set }, response },
          },
        ],
      },
    ],
  };
}

/**
 * Corrects what an application that does not know of its prefix sends back. An application that does know it
 * (`X-Forwarded-Prefix`) has already added the prefix, so a double one is made single again. These are left as they
 * are:
 *
 * - `https://` addresses of this host: applications make them from `EPH_URL` and mean another service; the
 *   `http://` ones are a server's own idea of itself (nginx);
 * - the cookie of the whole host (`Path=/`): a page at `/` reads what its API sets, as it does on one `localhost`
 *   with several ports.
 */
function belowPrefix({ path, hostname, scheme }: Prefix): Json {
  const [here, host] = [path, hostname].map((text) => text.replaceAll('.', '\\.'));
  const ownIdea = { search_regexp: `^http://${host}(?::[0-9]+)?(/|$)`, replace: '/' };
  return {
    Location: [
      ...(scheme === 'https' ? [ownIdea] : []),
      // Not `//other.example`, which is another host.
      { search_regexp: '^/([^/].*)?$', replace: `${path}/$1` },
      { search_regexp: `^${here}${here}(/|$)`, replace: `${path}$1` },
    ],
    'Set-Cookie': [
      { search_regexp: '(?i)(;\\s*path=)/+([^/;\\s])', replace: `$1${path}/$2` },
      { search_regexp: `(?i)(;\\s*path=)${here}${here}(/|;|\\s|$)`, replace: `$1${path}$2` },
    ],
  };
}

function unknownHost(): Json {
  return {
    handle: [
      {
        handler: 'static_response',
        status_code: 404,
        headers: { 'X-Eph': ['unknown-host'], 'Content-Type': ['text/plain; charset=utf-8'] },
        body: 'Eph: no service of this preview lives at {http.request.host}.\n',
      },
    ],
  };
}

function unreachable(): Json {
  return {
    handle: [
      {
        handler: 'static_response',
        status_code: '{http.error.status_code}',
        headers: {
          'X-Eph': ['unreachable'],
          'Content-Type': ['text/plain; charset=utf-8'],
          'Cache-Control': ['no-store'],
        },
        body: 'Eph: the service `{http.vars.service}` does not answer at {http.vars.upstream}.\n',
      },
    ],
  };
}
