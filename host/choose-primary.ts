import type { ComposeProject } from './compose-project.ts';
import { imageName, isProxyImage, isToolName } from './known-ports.ts';
import type { PublicPort } from './public-ports.ts';

/**
 * Which of several public services is the application, i.e. lives at `/`. Points, most telling first:
 *
 * | what                                                               | points |
 * |--------------------------------------------------------------------|--------|
 * | is a reverse proxy (nginx, Caddy, Traefik... image, or by its name) | 60     |
 * | is called `frontend`, `web`, `app`, `ui`, `www`, `client`...        | 40     |
 * | has such a word in its name (`shop-web`)                            | 35     |
 * | is called like the repository                                      | 30     |
 * | published on host port 80 or 443                                   | 10     |
 * | depends on another public service                                  | 5      |
 * | is called `api`, `backend`, `server`, `worker`, `admin`...          | -20    |
 * | is a known companion (Adminer, Mailhog, Grafana, MinIO...)          | -60    |
 *
 * Equal: the lowest published port, then the name. Names come before port 80 because many repositories
 * publish their API on 80 and the page on 3000.
 */
export function choosePrimary(
  candidates: readonly PublicPort[],
  project: ComposeProject,
  repository: string,
): PublicPort | undefined {
  const scored = candidates.map((candidate) => ({
    candidate,
    points: points(candidate, candidates, project, repository),
  }));
  scored.sort(
    (a, b) =>
      b.points - a.points ||
      a.candidate.published - b.candidate.published ||
      (a.candidate.service < b.candidate.service ? -1 : 1),
  );
  return scored[0]?.candidate;
}

const proxyName =
  /^(?:proxy|reverse-proxy|nginx|caddy|traefik|haproxy|envoy|gateway|ingress|edge|lb|router|frontend-proxy|webserver)$/;
const pageName =
  /^(?:frontend|front|web|webapp|web-app|www|ui|client|app|site|website|portal|dashboard|homepage)$/;
const pageWord = /(?:^|[-_.])(?:frontend|front|web|webapp|www|ui|client|app|site|website|portal)(?:$|[-_.])/;
const innerWord =
  /(?:^|[-_.])(?:api|backend|back|server|worker|jobs?|admin|internal|graphql|ws|websocket|auth)(?:$|[-_.])/;

function points(
  { service: name, published }: PublicPort,
  candidates: readonly PublicPort[],
  project: ComposeProject,
  repository: string,
): number {
  const service = project.services?.[name];
  const lower = name.toLowerCase();
  const image = service?.image ?? '';
  if (isToolName(lower) || (image !== '' && !service?.build && isToolName(imageName(image)))) return -60;
  let sum = 0;
  if (proxyName.test(lower) || (image !== '' && isProxyImage(image))) sum += 60;
  else if (pageName.test(lower)) sum += 40;
  else if (pageWord.test(lower)) sum += 35;
  if (innerWord.test(lower)) sum -= 20;
  if (lower === repository.toLowerCase()) sum += 30;
  if (published === 80 || published === 443) sum += 10;
  const others = candidates.filter((candidate) => candidate.service !== name);
  if (others.some((other) => service?.depends_on && other.service in service.depends_on)) sum += 5;
  return sum;
}
