/**
 * Access in front of a hostname: which requests it lets through, and its answers to the others.
 *
 * The order is Cloudflare's: public path or bypass policy -> service token headers -> application token (cookie
 * CF_Authorization or header cf-access-token) -> unknown visitor: login page, or 401/403 where a login page would be
 * useless. Policies about people are checked at login only; a token is valid until it expires.
 *
 * Gotchas
 * - Service tokens are strict: a wrong one is 401 and a right one without a policy 403, never the login page,
 *   and no cookie comes back.
 * - CF_Authorization is host-only. With the binding cookie on, it is worth nothing without CF_Binding, which is
 *   removed before the origin sees the request.
 * - What the visitor claims in Cf-Access-* is replaced. The service token's own headers are passed on: do not rely on
 *   Cloudflare to hide them from the origin.
 */
import { randomBytes } from 'node:crypto';
import type { AccessApplication } from './access-applications.ts';
import { durationMs } from './access-organization.ts';
import { type AccessPolicy, admits, type Subject } from './access-policies.ts';
import type { AccessSessions } from './access-sessions.ts';
import type { CloudflareMachine } from './cloudflare.ts';
import { errorPage } from './error-page.ts';
import { type HeaderList, headerOf, withoutHeaders } from './tunnel-wire.ts';

export interface EdgeRequest {
  method: string;
  /** The Host header, with the port. */
  host: string;
  hostname: string;
  /** Path and query. */
  path: string;
  headers: HeaderList;
  ip: string;
}

export interface EdgeAnswer {
  status: number;
  headers: HeaderList;
  body: string;
}

export type GateVerdict = { kind: 'pass'; headers: HeaderList } | { kind: 'answer'; answer: EdgeAnswer };

interface Protected {
  application: AccessApplication;
  policies: AccessPolicy[];
}

export interface GateOptions {
  machine: CloudflareMachine;
  sessions: AccessSessions;
  /** `http://team.<zone>:<port>` */
  teamUrl: string;
}

const AUTHORIZATION = 'CF_Authorization';
const BINDING = 'CF_Binding';
const SESSION = 'CF_AppSession';
const FORGET = 'Path=/; Max-Age=0';

export function createAccessGate({ machine, sessions, teamUrl }: GateOptions) {
  return async (request: EdgeRequest): Promise<GateVerdict> => {
    const [path = '/'] = request.path.split('?');
    const found = machine.protectionOf(request.hostname, path);
    if (!found) return { kind: 'pass', headers: request.headers };

    const own = path.startsWith('/cdn-cgi/access/') ? await ownPath(found, request, path) : undefined;
    if (own) return { kind: 'answer', answer: own };
    const anybody: Subject = { ip: request.ip };
    if (found.open || admits(found.policies, 'bypass', anybody)) {
      return { kind: 'pass', headers: withoutHeaders(request.headers, 'cf-access-jwt-assertion') };
    }
    if (hasServiceToken(request)) return serviceVerdict(found, request);
    const token = await validToken(found.application, request);
    if (token) return { kind: 'pass', headers: forOrigin(request.headers, token) };
    return { kind: 'answer', answer: await unknownVisitor(found, request) };
  };

  async function serviceVerdict(found: Protected, request: EdgeRequest): Promise<GateVerdict> {
    const ids = valuesOf(request.headers, 'cf-access-client-id');
    const secrets = valuesOf(request.headers, 'cf-access-client-secret');
    const [id = '', secret = ''] = [ids[0], secrets[0]];
    const isSingle = ids.length === 1 && secrets.length === 1;
    const token = isSingle ? machine.verifyServiceToken(id, secret) : undefined;
    if (!token)
      return refused(request, 401, 'The service token is missing a part, wrong, disabled or expired.');
    if (!admits(found.policies, 'non_identity', { ip: request.ip, serviceTokenId: token.id })) {
      return refused(request, 403, 'The service token is valid, but no Service Auth policy lets it in here.');
    }
    const { aud, session_duration } = found.application;
    const jwt = await sessions.serviceToken(id, aud, durationMs(session_duration));
    return { kind: 'pass', headers: forOrigin(request.headers, jwt) };
  }

  async function validToken(
    application: AccessApplication,
    request: EdgeRequest,
  ): Promise<string | undefined> {
    const token = cookieOf(request, AUTHORIZATION) ?? headerOf(request.headers, 'cf-access-token');
    if (!token || !(await sessions.verifyApp(token, application.aud))) return undefined;
    if (!application.enable_binding_cookie) return token;
    return cookieOf(request, BINDING) === sessions.binding(token, request.hostname) ? token : undefined;
  }

  /** Addresses under /cdn-cgi/access/ that Access serves on the protected host itself. */
  async function ownPath(
    { application }: Protected,
    request: EdgeRequest,
    path: string,
  ): Promise<EdgeAnswer | undefined> {
    if (path === '/cdn-cgi/access/authorized') return authorized(application, request);
    if (path === '/cdn-cgi/access/logout') {
      return redirect(`${teamUrl}/cdn-cgi/access/logout`, [
        `${AUTHORIZATION}=; ${FORGET}`,
        `${BINDING}=; ${FORGET}`,
      ]);
    }
    if (path !== '/cdn-cgi/access/get-identity') return undefined;
    const token = await validToken(application, request);
    const claims = token ? await sessions.verifyApp(token, application.aud) : undefined;
    return {
      status: claims ? 200 : 401,
      headers: [['content-type', 'application/json']],
      body: JSON.stringify(
        claims ? { email: claims['email'], user_uuid: claims.sub } : { err: 'no session' },
      ),
    };
  }

  /** The team domain sent the visitor back after the login. */
  async function authorized(application: AccessApplication, request: EdgeRequest): Promise<EdgeAnswer> {
    const state = new URL(request.path, 'http://host').searchParams.get('state') ?? '';
    const login = await sessions.readStateNote(state);
    const isOurs =
      login !== undefined &&
      login.request.aud === application.aud &&
      login.request.host === request.host &&
      login.request.nonce === cookieOf(request, SESSION);
    if (!isOurs) {
      return errorPage(
        request,
        400,
        'Login expired',
        'Open the page again to log in. This login was begun elsewhere, used already, or is too old.',
      );
    }
    const lifetime = durationMs(application.session_duration);
    const token = await sessions.personToken(login.person, application.aud, lifetime);
    const attributes = `Path=/; Max-Age=${Math.floor(lifetime / 1_000)}${cookieAttributes(application)}`;
    const cookies = [`${AUTHORIZATION}=${token}; ${attributes}`];
    if (application.enable_binding_cookie) {
      cookies.push(`${BINDING}=${sessions.binding(token, request.hostname)}; Path=/; HttpOnly; SameSite=Lax`);
    }
    return redirect(login.request.redirectUrl, cookies);
  }

  async function unknownVisitor(
    { application, policies }: Protected,
    request: EdgeRequest,
  ): Promise<EdgeAnswer> {
    const header = (name: string): string | undefined => headerOf(request.headers, name);
    if (header('x-requested-with') === 'XMLHttpRequest') {
      return errorPage(request, 401, 'Unauthorized', 'The session has ended. Load the page again to log in.');
    }
    const isPreflight = request.method === 'OPTIONS' && header('access-control-request-method') !== undefined;
    if (isPreflight) {
      return errorPage(
        request,
        403,
        'Forbidden',
        'A CORS preflight carries no cookies, so Access cannot let it in.',
      );
    }
    const takesServiceTokens = policies.some((policy) => policy.decision === 'non_identity');
    if (application.service_auth_401_redirect && takesServiceTokens) {
      return errorPage(
        request,
        401,
        'Unauthorized',
        'Send a service token: CF-Access-Client-Id and CF-Access-Client-Secret.',
      );
    }
    if (!policies.some((policy) => policy.decision === 'allow')) {
      return errorPage(
        request,
        403,
        'Forbidden',
        'You do not have permission to view this. No policy lets a person log in here.',
      );
    }
    const nonce = randomBytes(16).toString('hex');
    const { host, path } = request;
    const meta = await sessions.loginNote({
      aud: application.aud,
      host,
      redirectUrl: localPath(path),
      nonce,
    });
    const query = new URLSearchParams({ kid: application.aud, redirect_url: localPath(path), meta });
    return redirect(`${teamUrl}/cdn-cgi/access/login/${host}?${query}`, [
      `${SESSION}=${nonce}; Path=/; Max-Age=86400; HttpOnly; SameSite=Lax`,
    ]);
  }
}

function refused(request: EdgeRequest, status: 401 | 403, sentence: string): GateVerdict {
  const title = status === 401 ? 'Unauthorized' : 'Forbidden';
  return { kind: 'answer', answer: errorPage(request, status, title, sentence) };
}

function hasServiceToken({ headers }: EdgeRequest): boolean {
  return (
    headerOf(headers, 'cf-access-client-id') !== undefined ||
    headerOf(headers, 'cf-access-client-secret') !== undefined
  );
}

function forOrigin(headers: HeaderList, token: string): HeaderList {
  const kept = withoutHeaders(headers, 'cf-access-jwt-assertion', 'cookie');
  const cookies = cookiesOf(headers).filter(([name]) => name !== BINDING);
  const cookie: HeaderList =
    cookies.length === 0 ? [] : [['Cookie', cookies.map(([name, value]) => `${name}=${value}`).join('; ')]];
  return [...kept, ...cookie, ['Cf-Access-Jwt-Assertion', token]];
}

function cookieAttributes(application: AccessApplication): string {
  const sameSite = application.same_site_cookie_attribute;
  const httpOnly = application.http_only_cookie_attribute === false ? '' : '; HttpOnly';
  // SameSite=None needs Secure, which plain HTTP cannot have: then the browser's default applies.
  const known = sameSite === 'lax' ? '; SameSite=Lax' : sameSite === 'strict' ? '; SameSite=Strict' : '';
  return `${httpOnly}${known}`;
}

export function cookieOf({ headers }: Pick<EdgeRequest, 'headers'>, name: string): string | undefined {
  return cookiesOf(headers).find(([key]) => key === name)?.[1];
}

function cookiesOf(headers: HeaderList): [string, string][] {
  return valuesOf(headers, 'cookie')
    .flatMap((value) => value.split(';'))
    .flatMap((pair): [string, string][] => {
      const at = pair.indexOf('=');
      return at < 0 ? [] : [[pair.slice(0, at).trim(), pair.slice(at + 1).trim()]];
    });
}

function valuesOf(headers: HeaderList, name: string): string[] {
  return headers.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value);
}

/** Only a path of the same host: `//evil` and `/\evil` would leave it. */
function localPath(path: string): string {
  return /^\/(?![/\\])/.test(path) ? path : '/';
}

export function redirect(location: string, cookies: readonly string[] = []): EdgeAnswer {
  return {
    status: 302,
    headers: [
      ['location', location],
      ['cache-control', 'private, no-store'],
      ...cookies.map((cookie): [string, string] => ['set-cookie', cookie]),
    ],
    body: '',
  };
}
