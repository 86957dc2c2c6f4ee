/**
 * Where a redirect leads a visitor of the preview. The address in it is the application's own idea of where it
 * lives, and most often that is the developer's machine.
 */
export type Destination =
  /** A path of the preview itself. */
  | { kind: 'here'; path: string }
  /** Another site: a sign-in, or the live application. */
  | { kind: 'elsewhere'; hostname: string }
  /** Nobody but the machine, or the developer's own, gets there. */
  | { kind: 'nowhere'; address: string; because: string };

const REDIRECTS = [301, 302, 303, 307, 308];

/** Undefined: the answer redirects to nothing. `url` is the preview's address, `path` what was asked. */
export function followRedirect(
  answer: { status: number; location?: string },
  url: string,
  path: string,
): Destination | undefined {
  if (!REDIRECTS.includes(answer.status) || !answer.location) return undefined;
  const asked = URL.parse(path, url);
  const to = asked ? URL.parse(answer.location, asked.href) : null;
  if (!asked || !to) return undefined;
  const address = `${to.origin}${to.pathname}`.slice(0, 200);
  if (to.hostname === asked.hostname) {
    // Without a port it is the preview's own: applications drop what their framework does not tell them.
    const wrongPort = to.port !== '' && to.port !== asked.port;
    if (!wrongPort) return { kind: 'here', path: to.pathname + to.search };
    return {
      kind: 'nowhere',
      address,
      because: `port ${to.port} is the container’s, not one of the preview’s address`,
    };
  }
  if (isOwnMachine(to.hostname) && !sameTopName(to.hostname, asked.hostname)) {
    return { kind: 'nowhere', address, because: 'that is the visitor’s own machine' };
  }
  if (isPrivate(to.hostname)) {
    return { kind: 'nowhere', address, because: 'only containers know that address' };
  }
  return { kind: 'elsewhere', hostname: to.hostname };
}

/** Hosts by which software means the machine it runs on. */
export function isOwnMachine(hostname: string): boolean {
  return (
    hostname === 'localhost' ||
    hostname.endsWith('.localhost') ||
    hostname === '0.0.0.0' ||
    hostname === '[::1]' ||
    /^127\.\d+\.\d+\.\d+$/.test(hostname)
  );
}

/** The platform on one machine has `.localhost` names of its own. */
function sameTopName(hostname: string, own: string): boolean {
  return hostname.endsWith('.localhost') && own.endsWith('.localhost');
}

function isPrivate(hostname: string): boolean {
  if (hostname === 'host.docker.internal') return true;
  if (/^(?:10|192\.168|172\.(?:1[6-9]|2\d|3[01]))(?:\.\d+)+$/.test(hostname)) return true;
  // A name without a dot is a service's.
  return !hostname.includes('.') && !hostname.startsWith('[');
}
