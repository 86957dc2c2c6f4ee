/**
 * Which identity has which access key, and whether a request was signed with it.
 *
 * Keys are made here and nowhere else: long-lived ones for the root user (scripts) and for IAM users, session
 * ones for roles (a function, a machine). A session key works only together with its token, and until it
 * expires.
 */
import { randomBytes } from 'node:crypto';
import type { Statement } from './iam.ts';
import { isSignedWith, type RawRequest, type Signature } from './sigv4.ts';

export interface Principal {
  arn: string;
  /** `aws:userid`; for a role `<role id>:<session name>`. */
  userId: string;
  /** `aws:username`, which only IAM users have. */
  userName: string | undefined;
  /** Identity-based policies; `root` may do everything. */
  statements: readonly Statement[] | 'root';
}

export interface AccessKey {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken: string | undefined;
  /** Epoch milliseconds; undefined if it never expires. */
  expiresAt: number | undefined;
}

export type AuthenticationFailure = 'missing' | 'unknown key' | 'bad signature' | 'expired' | 'skewed';

export interface Keyring {
  issueKey(principal: Principal): AccessKey;
  /** A key that is not active is treated like an unknown one. */
  setActive(accessKeyId: string, active: boolean): void;
  issueSession(principal: Principal, ttlMs: number): AccessKey & { sessionToken: string; expiresAt: number };
  authenticate(request: RawRequest, signature: Signature | undefined): Principal | AuthenticationFailure;
}

/** The largest difference between the time of a signature and now, in both directions. */
const MAX_SKEW_MS = 15 * 60 * 1000;

export function createKeyring(now: () => number, region: string): Keyring {
  const held = new Map<string, { key: AccessKey; principal: Principal }>();
  const inactive = new Set<string>();

  function issue<Key extends AccessKey>(principal: Principal, key: Key): Key {
    held.set(key.accessKeyId, { key, principal });
    return key;
  }

  return {
    issueKey: (principal) =>
      issue(principal, {
        accessKeyId: keyId('AKIA'),
        secretAccessKey: randomBytes(30).toString('base64'),
        sessionToken: undefined,
        expiresAt: undefined,
      }),
    setActive(accessKeyId, active) {
      if (active) inactive.delete(accessKeyId);
      else inactive.add(accessKeyId);
    },
    issueSession: (principal, ttlMs) =>
      issue(principal, {
        accessKeyId: keyId('ASIA'),
        secretAccessKey: randomBytes(30).toString('base64'),
        sessionToken: randomBytes(96).toString('base64'),
        expiresAt: now() + ttlMs,
      }),
    authenticate(request, signature) {
      if (!signature) return 'missing';
      const holder = held.get(signature.accessKeyId);
      if (!holder || inactive.has(signature.accessKeyId)) return 'unknown key';
      if (holder.key.sessionToken !== signature.sessionToken) return 'unknown key';
      if (holder.key.expiresAt !== undefined && now() >= holder.key.expiresAt) return 'expired';
      if (isOutOfDate(signature, now())) return 'skewed';
      const right =
        signature.region === region && isSignedWith(holder.key.secretAccessKey, request, signature);
      return right ? holder.principal : 'bad signature';
    },
  };
}

function isOutOfDate(signature: Signature, now: number): boolean {
  if (signature.expiresIn !== undefined) return now > signature.signedAt + signature.expiresIn * 1000;
  return Math.abs(now - signature.signedAt) > MAX_SKEW_MS;
}

function keyId(prefix: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  return prefix + [...randomBytes(16)].map((byte) => alphabet[byte % alphabet.length]).join('');
}
