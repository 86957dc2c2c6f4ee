/**
 * Where a redirect leads a visitor of the preview. The address in it is the application's own idea of where it
 * lives, and most often that is the developer's machine.
 */
export type Destination =
  /** A path of the preview itself. */
  | { kind: 'here'; path: string }
  /** Another site: a sign-in, or the live application. */
  | { kind: 'elsewhere'; hostname: string }
  /** An address that only the machine itself, or the developer's machine, can reach. */
  | { kind: 'nowhere'; address: string; because: string };

const REDIRECTS = [301, 302, 303, 307, 308];

/** Undefined if the answer is no redirect. `url` is the preview's address, `path` is the path that was asked for. */
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
    // An address without a port means the preview's own: applications drop a port that their framework does not tell
    // them.
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

/** Host names that mean "this machine" in an application. */
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
  // A name without a dot is the name of a service.
  return !hostname.includes('.') && !hostname.startsWith('[');
}
