/**
 * Frameworks and development servers that answer a hostname they do not know with a page of refusal. By status
 * the page looks like an application that is up, so its text is read.
 *
 * A row counts for 400 to 499 only: a page about Django may well name `DisallowedHost`, and an "unknown host" with
 * status 500 is a missing database. A row with `anyStatus` counts for every status.
 */
interface Refusal {
  pattern: RegExp;
  /** Where the name must be allowed; completes "allow it in ...". */
  allowIn: string;
  anyStatus?: true;
}

const refusals: Refusal[] = [
  {
    pattern: /Blocked request\. This host/,
    allowIn: 'Vite’s `server.allowedHosts` (`preview.allowedHosts` for `vite preview`)',
  },
  {
    pattern: /^\s*Invalid Host header\s*$/i,
    allowIn:
      'webpack’s `devServer.allowedHosts: "all"`, or `allowed_hosts` of Starlette’s `TrustedHostMiddleware`',
    // Older versions of webpack's server answer it with 200.
    anyStatus: true,
  },
  {
    pattern: /DisallowedHost|Invalid HTTP_HOST header|<h1>Bad Request \(400\)<\/h1>/,
    allowIn: 'Django’s `ALLOWED_HOSTS` (and its address in `CSRF_TRUSTED_ORIGINS`)',
  },
  { pattern: /Blocked hosts?:/, allowIn: 'Rails’ `config.hosts`' },
  {
    pattern: /Untrusted Host|Bad hostname provided/,
    allowIn: 'Symfony’s `framework.trusted_hosts`, or Laravel’s `trustHosts`',
  },
  { pattern: /The request hostname is invalid|Invalid Hostname/, allowIn: 'ASP.NET’s `AllowedHosts`' },
  { pattern: /Host not allowed/, allowIn: 'Play’s `play.filters.hosts.allowed`' },
  {
    pattern: /(?:hostname|host" with value) "[^"\n]{1,300}" is not allowed/i,
    allowIn: 'Angular’s `allowedHosts` (`NG_ALLOWED_HOSTS`)',
  },
  { pattern: /Access through untrusted domain/, allowIn: 'Nextcloud’s `trusted_domains`' },
  {
    pattern: /does not match the configured trusted hosts pattern/,
    allowIn: 'TYPO3’s `trustedHostsPattern`',
    anyStatus: true,
  },
  {
    pattern: /The provided host name is not valid for this server/,
    allowIn: 'Drupal’s `trusted_host_patterns`',
  },
  { pattern: /Host '[^'\n]{1,300}' is not trusted/, allowIn: 'Werkzeug’s or Flask’s `TRUSTED_HOSTS`' },
  {
    pattern: /\b(?:invalid|untrusted|disallowed|unknown|blocked) host(?:name| header)?\b/i,
    allowIn: 'the application’s list of hostnames',
  },
];

const READ_CHARACTERS = 4_000;

/** Where to allow the preview's hostname, if this answer refuses it. */
export function refusedHost(status: number, body: string): string | undefined {
  const read = body.slice(0, READ_CHARACTERS);
  const refuses = status >= 400 && status < 500;
  return refusals.find(({ pattern, anyStatus }) => (anyStatus || refuses) && pattern.test(read))?.allowIn;
}
