/**
 * Self-hosted Access applications: which hostnames and paths are protected, and by which policies.
 *
 * Gotchas
 * - The more specific application wins and inherits nothing from the other.
 * - `*` stands for one label or part of one (`*-pr.example.com`), never for a dot.
 * - `aud` stays until the application is deleted; PUT replaces everything else.
 * - An application without a matching policy lets nobody in.
 */
import { createHash } from 'node:crypto';
import type { AccessPolicy } from './access-policies.ts';
import { CloudflareError } from './cloudflare-error.ts';
import { createCollection, type PageQuery, pageOf } from './collection.ts';

/** developers.cloudflare.com/cloudflare-one/account-limits */
const MAX_APPLICATIONS = 500;
const MAX_DOMAINS = 5;

export interface Destination {
  type?: string;
  uri?: string;
  overrides?: { path_pattern: string; behavior: string }[];
}

export interface ApplicationBody {
  type: string;
  domain: string;
  name?: string;
  destinations?: Destination[];
  self_hosted_domains?: string[];
  allowed_idps?: string[];
  auto_redirect_to_identity?: boolean;
  policies?: (string | { id?: string; precedence?: number; decision?: string })[];
  session_duration?: string;
  enable_binding_cookie?: boolean;
  http_only_cookie_attribute?: boolean;
  same_site_cookie_attribute?: string;
  options_preflight_bypass?: boolean;
  service_auth_401_redirect?: boolean;
  app_launcher_visible?: boolean;
}

export interface AccessApplication extends Omit<ApplicationBody, 'policies'> {
  id: string;
  aud: string;
  session_duration: string;
  destinations: Destination[];
  /** Ids of reusable policies in order of precedence. */
  policyIds: string[];
}

export interface ApplicationQuery extends PageQuery {
  domain?: string;
  exact?: string;
  name?: string;
  aud?: string;
  search?: string;
}

interface ApplicationsOptions {
  zone: string;
  newId: () => string;
  findPolicy: (id: string) => AccessPolicy | undefined;
  identityProviderExists: (id: string) => boolean;
  /** Throws until Zero Trust is switched on. */
  requireOrganization: () => unknown;
}

export type AccessApplications = ReturnType<typeof createAccessApplications>;

export function createAccessApplications(options: ApplicationsOptions) {
  const { zone, newId, findPolicy } = options;
  const applications = createCollection<AccessApplication>(
    () => new CloudflareError(404, 11021, 'access.api.error.application_not_found'),
  );
  const policiesOf = (application: AccessApplication): AccessPolicy[] =>
    application.policyIds.flatMap((id) => findPolicy(id) ?? []);
  const describe = (application: AccessApplication) => {
    const { policyIds: _, ...rest } = application;
    return {
      ...rest,
      policies: policiesOf(application).map((policy, index) => ({ ...policy, precedence: index + 1 })),
    };
  };

  const read = (body: ApplicationBody, id: string, aud: string): AccessApplication => {
    if (body.type !== 'self_hosted')
      throw invalid(`the stand-in knows self_hosted applications, not ${body.type}`);
    const destinations = destinationsOf(body);
    if (destinations.length > MAX_DOMAINS) throw invalid(`an application has at most ${MAX_DOMAINS} domains`);
    for (const { uri = '' } of destinations) requireDomain(uri, zone);
    requireIdentityProviders(body, options.identityProviderExists);
    if (applications.all().some((other) => other.domain === body.domain && other.id !== id)) {
      throw new CloudflareError(409, 11010, 'access.api.error.application_already_exists');
    }
    const { policies, ...rest } = body;
    return {
      ...rest,
      id,
      aud,
      destinations,
      session_duration: body.session_duration ?? '24h',
      policyIds: policyIds(policies ?? [], findPolicy),
    };
  };

  return {
    createApplication(body: ApplicationBody) {
      options.requireOrganization();
      if (applications.all().length >= MAX_APPLICATIONS) {
        throw invalid(`the account has reached its limit of ${MAX_APPLICATIONS} applications`);
      }
      const id = newId();
      const aud = createHash('sha256').update(newId()).digest('hex');
      return describe(applications.add(read(body, id, aud)));
    },
    listApplications(query: ApplicationQuery) {
      options.requireOrganization();
      const found = applications.all().filter((application) => fits(application, query));
      return pageOf(found.map(describe), query, 25, 1_000);
    },
    updateApplication: (id: string, body: ApplicationBody) =>
      describe(applications.add(read(body, id, applications.get(id).aud))),
    deleteApplication: (id: string) => ({ id: applications.remove(id).id }),

    /** The application in front of a URL, its policies, and whether an override leaves this path open to everybody. */
    protectionOf(hostname: string, path: string) {
      const candidates = applications
        .all()
        .flatMap((application) =>
          application.destinations
            .filter(({ uri = '' }) => covers(uri, hostname, path))
            .map((destination) => ({ application, destination, rank: specificity(destination.uri ?? '') })),
        );
      const [best] = candidates.toSorted((a, b) => b.rank - a.rank);
      if (!best) return undefined;
      const open = (best.destination.overrides ?? []).some(({ path_pattern }) =>
        glob(path_pattern, path, '/'),
      );
      return { application: best.application, policies: policiesOf(best.application), open };
    },
    audienceOf(domain: string): string {
      const found = applications.all().find((application) => application.domain === domain);
      if (!found) throw new Error(`Access has no application for ${domain} yet.`);
      return found.aud;
    },
    findByAud: (aud: string): AccessApplication | undefined =>
      applications.all().find((application) => application.aud === aud),
    policiesOf,
    usersOfPolicy: (policyId: string): string[] =>
      applications
        .all()
        .filter((application) => application.policyIds.includes(policyId))
        .map((application) => application.name ?? application.domain),
  };
}

function destinationsOf(body: ApplicationBody): Destination[] {
  if (body.destinations && body.destinations.length > 0) {
    const other = body.destinations.find(({ type = 'public' }) => type !== 'public');
    if (other) throw invalid(`the stand-in knows public destinations, not ${other.type}`);
    return body.destinations;
  }
  return (body.self_hosted_domains ?? [body.domain]).map((uri) => ({ type: 'public', uri }));
}

function requireDomain(uri: string, zone: string): void {
  const { host, path } = split(uri);
  const fine = !/[:?#]/.test(uri) && host.split('.').every(hasOneStar) && path.split('/').every(hasOneStar);
  if (!fine) throw invalid(`${uri} is not a valid domain: no port, no query, one * between dots or slashes`);
  if (host !== zone && !host.endsWith(`.${zone}`)) throw invalid(`domain does not belong to zone: ${uri}`);
}

function hasOneStar(part: string): boolean {
  return part.split('*').length <= 2;
}

function requireIdentityProviders(body: ApplicationBody, exists: (id: string) => boolean): void {
  const allowed = body.allowed_idps ?? [];
  const unknown = allowed.find((id) => !exists(id));
  if (unknown) throw invalid(`identity provider ${unknown} does not exist`);
  if (body.auto_redirect_to_identity && allowed.length !== 1) {
    throw invalid('auto_redirect_to_identity needs exactly one entry in allowed_idps');
  }
}

function policyIds(
  links: NonNullable<ApplicationBody['policies']>,
  findPolicy: (id: string) => AccessPolicy | undefined,
): string[] {
  const ordered = links.map((link, index) =>
    typeof link === 'string' ? { id: link, precedence: index + 1 } : { precedence: index + 1, ...link },
  );
  return ordered
    .toSorted((a, b) => a.precedence - b.precedence)
    .map((link) => {
      if ('decision' in link && link.decision !== undefined) {
        throw invalid('the stand-in takes links to reusable policies, not policies inside an application');
      }
      if (link.id === undefined || !findPolicy(link.id)) throw invalid(`policy ${link.id} does not exist`);
      return link.id;
    });
}

function fits(application: AccessApplication, query: ApplicationQuery): boolean {
  const isExact = query.exact === 'true';
  const like = (value: string, wanted: string | undefined): boolean =>
    wanted === undefined || (isExact ? value === wanted : value.includes(wanted));
  return (
    like(application.domain, query.domain) &&
    like(application.name ?? '', query.name) &&
    (query.aud === undefined || application.aud === query.aud) &&
    (query.search === undefined || `${application.name} ${application.domain}`.includes(query.search))
  );
}

function covers(uri: string, hostname: string, path: string): boolean {
  const pattern = split(uri);
  if (!glob(pattern.host, hostname, '.')) return false;
  const prefix = pattern.path.replace(/\/$/, '');
  return prefix === '' || glob(prefix, path, '/') || glob(`${prefix}/**`, path, '/');
}

/** An exact host beats a wildcard, then the longer host, then the longer path. */
function specificity(uri: string): number {
  const { host, path } = split(uri);
  return (host.includes('*') ? 0 : 1_000_000) + host.length * 1_000 + path.length;
}

/** `*` stands for anything but the separator, `**` at the end for anything. */
function glob(pattern: string, text: string, separator: string): boolean {
  const source = pattern
    .replace(/[.+?^${}()|[\]\\]/g, '\\$&')
    .replace(/\*\*$/, '\u0000')
    .replaceAll('*', `[^${separator}]*`)
    .replace('\u0000', '.*');
  return new RegExp(`^${source}$`, 's').test(text);
}

function split(uri: string): { host: string; path: string } {
  const slash = uri.indexOf('/');
  return slash < 0 ? { host: uri, path: '' } : { host: uri.slice(0, slash), path: uri.slice(slash) };
}

function invalid(sentence: string): CloudflareError {
  return new CloudflareError(400, 12130, `access.api.error.invalid_request: ${sentence}`);
}
