import { type ComposeProject, type ComposeService, labelsOf, needsOf, saidTo } from './compose-project.ts';
import { isCompanion, isForwarderImage, isWebServerImage, nonHttpPort } from './known-ports.ts';
import type { PublicPort } from './public-ports.ts';
import { isBeside, isInner, isJob, nameKind } from './service-names.ts';

/**
 * Which of several public ports is the application, i.e. lives at `/`. Points, most telling first:
 *
 * | what                                                                | points |
 * |---------------------------------------------------------------------|--------|
 * | is a reverse proxy: by its image (Traefik, HAProxy...), its name, or | 60     |
 * | as a web server (nginx, Caddy...) with a configuration or upstreams  |        |
 * | is called `frontend`, `web`, `app`, `ui`, `www`, `client`...         | 40     |
 * | has such a word in its name (`shop-web`)                             | 35     |
 * | is a gateway by its name (`api-gateway`): pages are before it        | 30     |
 * | is called like the repository                                       | 30     |
 * | is built from the repository                                        | 15     |
 * | is published on host port 80 or 443                                 | 10     |
 * | depends on another public service                                   | 5      |
 * | is a web server that only hands out files                           | 5 instead of its name's points; 20 if it has a page's name |
 * | is called `api`, `backend`, `server`, `admin`...                     | -20    |
 * | is called `docs`, `storybook`, `config-server`..., or is a debugger's port | -30 |
 * | works in the background, by command or name                         | -40    |
 * | is a known companion (Adminer, Keycloak, Temporal's UI...), or a     | -100   |
 * | reverse proxy that answers to its own host names only                |        |
 *
 * Equal: the lowest published port, then the name. Names come before port 80 because many repositories
 * publish their API on 80 and the page on 3000.
 */
export interface ChosenPrimary {
  primary: PublicPort;
  /** Services whose points came so near that people may have meant them. */
  competitors: string[];
}

/** A difference of one weak reason (a host port, a dependency) does not decide. */
const CLOSE = 10;

export function choosePrimary(
  candidates: readonly PublicPort[],
  project: ComposeProject,
  repository: string,
  hostname: string,
): ChosenPrimary | undefined {
  // A service's first port is the one that people mean.
  const first = candidates.filter(
    ({ service }, index) => candidates.findIndex((other) => other.service === service) === index,
  );
  const scored = first.map((candidate) => ({
    candidate,
    points: points(candidate, candidates, project, repository, hostname),
  }));
  scored.sort(
    (a, b) =>
      b.points - a.points ||
      a.candidate.published - b.candidate.published ||
      (a.candidate.service < b.candidate.service ? -1 : 1),
  );
  const [best, ...others] = scored;
  if (!best) return undefined;
  const near = others.filter(({ points }) => best.points - points <= CLOSE);
  return { primary: best.candidate, competitors: near.map(({ candidate }) => candidate.service) };
}

function points(
  { service: name, port, published }: PublicPort,
  candidates: readonly PublicPort[],
  project: ComposeProject,
  repository: string,
  hostname: string,
): number {
  const service = project.services?.[name] ?? {};
  if (isCompanion(name, service) || answersOnlyOthers(service, project, hostname)) return -100;
  let sum = namePoints(name, service, project);
  if (isInner(name) && nameKind(name) !== 'gateway') sum -= 20;
  if (isBeside(name) || nonHttpPort(port)) sum -= 30;
  if (isJob(name, service)) sum -= 40;
  if (name.toLowerCase() === repository.toLowerCase()) sum += 30;
  if (service.build) sum += 15;
  if (published === 80 || published === 443) sum += 10;
  const others = candidates.filter((candidate) => candidate.service !== name);
  if (others.some((other) => needsOf(service).includes(other.service))) sum += 5;
  return sum;
}

/** Such a name says which program it is, not what it is for. */
const serverName = /nginx|caddy|httpd|apache|webserver/i;

function namePoints(name: string, service: ComposeService, project: ComposeProject): number {
  const kind = nameKind(name);
  const page = kind === 'page-name' ? 40 : kind === 'page-word' ? 35 : 0;
  const image = service.build ? '' : (service.image ?? '');
  if (isForwarderImage(image)) return 60;
  if (isWebServerImage(image)) {
    if (passesOn(service, project) || (kind === 'proxy' && !serverName.test(name))) return 60;
    return page > 0 ? 20 : 5;
  }
  if (kind === 'proxy') return 60;
  return kind === 'gateway' ? 30 : page;
}

const configurationOf =
  /^\/(?:etc\/(?:nginx|caddy|apache2|httpd)|usr\/local\/(?:apache2\/conf|openresty\/nginx\/conf)|opt\/bitnami\/\w+\/conf|config\/nginx)(?:\/|$)/;

/** Whether a web server has a configuration of its own, or a service to pass requests on to. */
function passesOn(service: ComposeService, project: ComposeProject): boolean {
  const mounted = [...(service.volumes ?? []), ...(service.configs ?? [])].flatMap(({ target }) =>
    typeof target === 'string' ? [target] : [],
  );
  if (
    mounted.some((target) => configurationOf.test(target) || /caddyfile|\.conf(?:\.template)?$/i.test(target))
  )
    return true;
  if (/reverse-proxy|proxy_pass/.test(saidTo(service))) return true;
  return needsOf(service).some((other) => Boolean(project.services?.[other]));
}

/** The host names in the rules of Traefik, nginx-proxy and caddy-docker-proxy; `undefined` is any host. */
function hostRules(project: ComposeProject): (string | undefined)[] {
  return Object.values(project.services ?? {}).flatMap((service) => {
    const rules = labelsOf(service).flatMap(([key, value]) => {
      if (/^traefik\.http\.routers\..*\.rule$/.test(key) || key === 'traefik.frontend.rule')
        return [/Host(?:Regexp)?\s*[(:]/i.test(value) ? value : undefined];
      return /^caddy(?:_\d+)?$/.test(key) ? [value] : [];
    });
    const virtual = service.environment?.['VIRTUAL_HOST'];
    return virtual ? [...rules, String(virtual)] : rules;
  });
}

/** A proxy all of whose rules are for other host names answers 404 at the preview's. */
function answersOnlyOthers(service: ComposeService, project: ComposeProject, hostname: string): boolean {
  if (!/traefik|nginx-proxy|caddy-docker-proxy/.test(service.image ?? '')) return false;
  const rules = hostRules(project);
  return rules.length > 0 && rules.every((rule) => rule !== undefined && !rule.includes(hostname));
}
