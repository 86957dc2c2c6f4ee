import { verify } from 'node:crypto';
import type { Actor } from './access.ts';
import { badCredentials, GithubError } from './github-error.ts';
import type { App, GithubState } from './github-state.ts';

/**
 * Finds the caller from the Authorization header. It accepts the same forms as GitHub: `Bearer` and `token` with any
 * token, `Basic` with the token as password (git sends this), `Bearer` with the App's JSON web token.
 *
 * @throws 401 for an unknown, revoked or expired token and for a refused web token; 403 for a suspended
 *   installation.
 */
export function authenticate(state: GithubState, now: number, authorization: string | undefined): Actor {
  if (!authorization) return { kind: 'anonymous' };
  const credential = readCredential(authorization);
  if (credential.startsWith('ghs_')) return installationActor(state, now, credential);
  const account = state.tokens.get(credential);
  if (account) return { kind: 'user', account };
  if (credential.split('.').length !== 3) throw badCredentials();
  return { kind: 'app', app: verifyAppToken(state, now, credential) };
}

function readCredential(authorization: string): string {
  const [scheme = '', value = ''] = authorization.split(/\s+/, 2);
  if (/^(bearer|token)$/i.test(scheme)) return value;
  if (!/^basic$/i.test(scheme)) throw badCredentials();
  const text = Buffer.from(value, 'base64').toString('utf8');
  const password = text.slice(text.indexOf(':') + 1);
  // `https://<token>@host/...` puts the token where the name belongs.
  return password === '' || password === 'x-oauth-basic' ? text.slice(0, text.indexOf(':')) : password;
}

function installationActor(state: GithubState, now: number, credential: string): Actor {
  const token = state.installationTokens.get(credential);
  const installation = token && state.installations.get(token.installationId);
  if (!token || !installation || token.expiresAt <= now) throw badCredentials();
  if (installation.suspendedAt !== null) throw new GithubError(403, 'This installation has been suspended');
  return { kind: 'installation', installation, token };
}

const MAX_LIFE_SECONDS = 600;
/** GitHub's clock and the App's differ a little; octokit sets `iat` back for the same reason. */
const CLOCK_DRIFT_SECONDS = 60;

function verifyAppToken(state: GithubState, now: number, credential: string): App {
  const [head = '', body = '', signature = ''] = credential.split('.');
  const header = readSegment(head);
  const claims = readSegment(body);
  if (header['alg'] !== 'RS256') throw undecodable();
  const seconds = Math.floor(now / 1000);
  const { iat, exp, iss } = claims;
  const app = [...state.apps.values()].find((one) => String(iss) === String(one.id) || iss === one.clientId);
  if (!app) {
    throw new GithubError(401, "'Issuer' claim ('iss') must be an Integer");
  }
  if (typeof iat !== 'number' || iat > seconds + CLOCK_DRIFT_SECONDS) {
    throw new GithubError(
      401,
      "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
    );
  }
  if (typeof exp !== 'number' || exp <= seconds) {
    throw new GithubError(
      401,
      "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires",
    );
  }
  if (
    exp > seconds + MAX_LIFE_SECONDS + CLOCK_DRIFT_SECONDS ||
    exp - iat > MAX_LIFE_SECONDS + CLOCK_DRIFT_SECONDS
  ) {
    throw new GithubError(401, "'Expiration time' claim ('exp') is too far in the future");
  }
  const signed = Buffer.from(`${head}.${body}`);
  const bytes = Buffer.from(signature, 'base64url');
  if (!app.publicKeys.some((key) => verify('RSA-SHA256', signed, key, bytes))) throw undecodable();
  return app;
}

function readSegment(segment: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(Buffer.from(segment, 'base64url').toString('utf8'));
    if (typeof value === 'object' && value !== null) return { ...value };
  } catch {
    // If it is not JSON, the answer is the same as for a bad signature.
  }
  throw undecodable();
}

function undecodable(): GithubError {
  return new GithubError(401, 'A JSON web token could not be decoded');
}
