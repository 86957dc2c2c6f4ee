/**
 * Ingress rules as cloudflared reads them (cloudflared 2026.8.2, ingress/ingress.go and ingress/rule.go).
 * Used twice: by the API when a configuration is written, and by the connector for every request.
 *
 * Gotchas
 * - `*-pr.example.com` is accepted and never matches: only a leading `*.` is a wildcard.
 * - `path` selects and is not stripped; it is a regular expression, tested unanchored.
 * - The access check must be on the rule itself. `originRequest.access` of the whole configuration is parsed and
 *   ignored, so nothing here reads it.
 */
export interface IngressAccess {
  required?: boolean;
  teamName: string;
  audTag: string[];
}

export interface OriginRequest {
  access?: IngressAccess;
  /** Seconds. */
  connectTimeout?: number;
  httpHostHeader?: string;
  noTLSVerify?: boolean;
}

export interface IngressRule {
  hostname?: string;
  path?: string;
  service: string;
  originRequest?: OriginRequest;
}

export interface TunnelConfig {
  ingress?: IngressRule[];
  originRequest?: OriginRequest;
}

const proxied = new Set(['http', 'https', 'ws', 'wss', 'tcp', 'ssh', 'rdp', 'smb']);

/** The first error in the rules, as a sentence; undefined if cloudflared would accept them. */
export function ingressProblem(rules: readonly IngressRule[]): string | undefined {
  for (const [index, rule] of rules.entries()) {
    const problem = ruleProblem(rule, index, rules.length);
    if (problem) return `Rule #${index + 1}: ${problem}`;
  }
  return undefined;
}

function ruleProblem(rule: IngressRule, index: number, count: number): string | undefined {
  const hostname = rule.hostname ?? '';
  if (hostname.lastIndexOf('*') > 0) {
    return `hostname ${hostname} may hold one wildcard at its start only, such as *.example.com`;
  }
  if (hostname.includes(':')) return `hostname ${hostname} cannot contain a port`;
  const isLast = index === count - 1;
  const isCatchAll = (hostname === '' || hostname === '*') && !rule.path;
  if (isLast && !isCatchAll) {
    return 'the last ingress rule must match all URLs (it should not have a hostname or path filter)';
  }
  if (!isLast && isCatchAll) {
    return `matches the hostname '${hostname}', which is every hostname, so the rules after it never run`;
  }
  return pathProblem(rule.path) ?? serviceProblem(rule.service);
}

function pathProblem(path: string | undefined): string | undefined {
  try {
    new RegExp(path ?? '');
    return undefined;
  } catch {
    return `path ${path} is not a valid regular expression`;
  }
}

function serviceProblem(service: string): string | undefined {
  if (service === 'hello_world' || /^unix(\+tls)?:./.test(service)) return undefined;
  const status = /^http_status:(.*)$/.exec(service);
  if (status) {
    const code = Number(status[1]);
    return code >= 100 && code <= 999 ? undefined : `${status[1]} is not a valid HTTP status code`;
  }
  const url = URL.parse(service);
  if (!url?.hostname) return `${service} is an invalid address, make sure it has a scheme and a hostname`;
  if (!proxied.has(url.protocol.slice(0, -1))) return `${service} has a scheme cloudflared does not know`;
  if (url.pathname !== '' && url.pathname !== '/') {
    return `${service} has a path: the path at the origin is always the path of the visitor's request`;
  }
  return undefined;
}

/** The rule that serves a request; undefined only when there are no rules at all. */
export function matchIngress(
  rules: readonly IngressRule[],
  host: string,
  path: string,
): IngressRule | undefined {
  const hostname = host.replace(/:\d+$/, '').toLowerCase();
  return rules.find((rule) => matchesHost(rule.hostname ?? '', hostname) && matchesPath(rule.path, path));
}

function matchesHost(pattern: string, hostname: string): boolean {
  if (pattern === '' || pattern === '*' || pattern === hostname) return true;
  return pattern.startsWith('*.') && hostname.endsWith(pattern.slice(1));
}

function matchesPath(pattern: string | undefined, path: string): boolean {
  return !pattern || new RegExp(pattern).test(path);
}
