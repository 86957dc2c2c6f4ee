/**
 * What Access signs: application tokens, the team's own session, and the two short-lived notes that carry a login
 * from the protected host to the team domain and back. All use RS256, with one key that lives as long as the process;
 * `certs` is its public part, which the team domain publishes.
 *
 * An application token says `type: "app"`, the session `type: "org"`; neither is taken for the other.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { exportJWK, generateKeyPair, type JSONWebKeySet, type JWTPayload, jwtVerify, SignJWT } from 'jose';

export interface Person {
  email: string;
  /** GitHub organizations the person is in, `acme` or `acme/team`. */
  organizations: string[];
}

export interface LoginRequest {
  aud: string;
  /** The Host header of the protected page, with its port. */
  host: string;
  redirectUrl: string;
  /** Ties the login to the browser that began it (cookie CF_AppSession). */
  nonce: string;
}

interface SessionsOptions {
  issuer: string;
  now: () => number;
}

export type AccessSessions = Awaited<ReturnType<typeof createAccessSessions>>;

const MINUTE_MS = 60_000;

export async function createAccessSessions({ issuer, now }: SessionsOptions) {
  const { publicKey, privateKey } = await generateKeyPair('RS256');
  const kid = randomBytes(32).toString('hex');
  const certs: JSONWebKeySet = {
    keys: [{ ...(await exportJWK(publicKey)), kid, alg: 'RS256', use: 'sig' }],
  };
  const bindingKey = randomBytes(32);
  const usedNotes = new Set<string>();

  const sign = (payload: JWTPayload, lifetimeMs: number): Promise<string> => {
    const seconds = Math.floor(now() / 1_000);
    return new SignJWT({
      ...payload,
      iat: seconds,
      nbf: seconds,
      exp: seconds + Math.ceil(lifetimeMs / 1_000),
      iss: issuer,
    })
      .setProtectedHeader({ alg: 'RS256', kid, typ: 'JWT' })
      .sign(privateKey);
  };
  const verify = async (token: string, type: string, audience?: string): Promise<JWTPayload | undefined> => {
    try {
      const { payload } = await jwtVerify(token, publicKey, {
        issuer,
        algorithms: ['RS256'],
        currentDate: new Date(now()),
        ...(audience === undefined ? {} : { audience }),
      });
      return payload['type'] === type ? payload : undefined;
    } catch {
      return undefined;
    }
  };

  return {
    certs,

    personToken: (person: Person, aud: string, lifetimeMs: number): Promise<string> =>
      sign(
        {
          type: 'app',
          aud: [aud],
          email: person.email,
          sub: subjectOf(person.email),
          identity_nonce: randomBytes(12).toString('base64url'),
          country: 'US',
        },
        lifetimeMs,
      ),
    serviceToken: (clientId: string, aud: string, lifetimeMs: number): Promise<string> =>
      sign({ type: 'app', aud: [aud], common_name: clientId, sub: '' }, lifetimeMs),
    verifyApp: (token: string, aud: string) => verify(token, 'app', aud),

    orgToken: (person: Person, lifetimeMs: number): Promise<string> =>
      sign({ type: 'org', email: person.email, organizations: person.organizations }, lifetimeMs),
    async verifyOrg(token: string): Promise<Person | undefined> {
      const payload = await verify(token, 'org');
      return payload ? readPerson(payload) : undefined;
    },

    loginNote: (request: LoginRequest): Promise<string> => sign({ type: 'meta', ...request }, 15 * MINUTE_MS),
    async readLoginNote(token: string): Promise<LoginRequest | undefined> {
      const payload = await verify(token, 'meta');
      return payload ? readLogin(payload) : undefined;
    },

    /** Tells the protected host that this person has logged in. Valid once, for a minute. */
    stateNote: (request: LoginRequest, person: Person): Promise<string> =>
      sign({ type: 'state', ...request, ...person, jti: randomBytes(12).toString('hex') }, MINUTE_MS),
    async readStateNote(token: string): Promise<{ request: LoginRequest; person: Person } | undefined> {
      const payload = await verify(token, 'state');
      const id = payload?.jti;
      if (!payload || id === undefined || usedNotes.has(id)) return undefined;
      usedNotes.add(id);
      return { request: readLogin(payload), person: readPerson(payload) };
    },

    /**
     * The value of CF_Binding for a token on one hostname. The origin never sees it, so a token that leaked
     * from there is worth nothing, neither on this host nor on another.
     */
    binding: (token: string, hostname: string): string =>
      createHmac('sha256', bindingKey).update(`${hostname} ${token}`).digest('base64url'),
  };
}

function readPerson(payload: JWTPayload): Person {
  const organizations = payload['organizations'];
  return {
    email: String(payload['email']),
    organizations: Array.isArray(organizations) ? organizations.map(String) : [],
  };
}

function readLogin(payload: JWTPayload): LoginRequest {
  return {
    aud: String(payload.aud),
    host: String(payload['host']),
    redirectUrl: String(payload['redirectUrl']),
    nonce: String(payload['nonce']),
  };
}

/** A stable UUID per person, as Access gives each user one. */
function subjectOf(email: string): string {
  const hex = createHmac('sha256', 'subject').update(email).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
