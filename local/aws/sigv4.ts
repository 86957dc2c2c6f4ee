/**
 * Signature Version 4, the checking side: the signature is computed again from the raw request.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 *
 * Gotchas
 * - S3 encodes the path once, every other service twice; S3 alone trusts `x-amz-content-sha256` (and the
 *   body is checked against it afterwards, unless it says UNSIGNED-PAYLOAD or STREAMING-...).
 * - Presigned addresses (query form) sign UNSIGNED-PAYLOAD and leave `X-Amz-Signature` out of the query.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

export interface RawRequest {
  method: string;
  /** Path and query exactly as they came over the wire. */
  target: string;
  /** Lower-case names; repeated headers joined with a comma. */
  headers: Record<string, string>;
  body: Uint8Array;
}

export interface Signature {
  accessKeyId: string;
  region: string;
  service: string;
  /** Epoch milliseconds. */
  signedAt: number;
  /** The seconds for which a presigned address is valid; undefined for the header form. */
  expiresIn: number | undefined;
  sessionToken: string | undefined;
  scope: string;
  date: string;
  signedHeaders: string[];
  value: string;
  presigned: boolean;
}

/** Undefined if the request has no signature, or one that cannot be read. */
export function readSignature(request: RawRequest): Signature | undefined {
  const header = request.headers['authorization'];
  return header ? readHeaderForm(request, header) : readQueryForm(request);
}

const authorizationPattern =
  /^AWS4-HMAC-SHA256\s+Credential=([^,\s]+),\s*SignedHeaders=([^,\s]+),\s*Signature=([0-9a-f]{64})$/;

function readHeaderForm(request: RawRequest, header: string): Signature | undefined {
  const [, credential, signedHeaders, value] = authorizationPattern.exec(header) ?? [];
  const date = request.headers['x-amz-date'];
  if (!credential || !signedHeaders || !value || !date) return undefined;
  const scope = readCredential(credential);
  const signedAt = parseAmzDate(date);
  if (!scope || signedAt === undefined) return undefined;
  return {
    ...scope,
    signedAt,
    expiresIn: undefined,
    sessionToken: request.headers['x-amz-security-token'],
    date,
    signedHeaders: signedHeaders.split(';'),
    value,
    presigned: false,
  };
}

function readQueryForm(request: RawRequest): Signature | undefined {
  const query = new URLSearchParams(splitTarget(request.target).query);
  if (query.get('X-Amz-Algorithm') !== 'AWS4-HMAC-SHA256') return undefined;
  const scope = readCredential(query.get('X-Amz-Credential') ?? '');
  const date = query.get('X-Amz-Date') ?? '';
  const signedAt = parseAmzDate(date);
  const value = query.get('X-Amz-Signature');
  if (!scope || signedAt === undefined || !value) return undefined;
  return {
    ...scope,
    signedAt,
    expiresIn: Number(query.get('X-Amz-Expires') ?? '0'),
    sessionToken: query.get('X-Amz-Security-Token') ?? undefined,
    date,
    signedHeaders: (query.get('X-Amz-SignedHeaders') ?? 'host').split(';'),
    value,
    presigned: true,
  };
}

function readCredential(credential: string) {
  const [accessKeyId, day, region, service, terminator] = credential.split('/');
  if (!accessKeyId || !day || !region || !service || terminator !== 'aws4_request') return undefined;
  return { accessKeyId, region, service, scope: `${day}/${region}/${service}/aws4_request` };
}

function parseAmzDate(date: string): number | undefined {
  const [, year, month, day, hour, minute, second] =
    /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z$/.exec(date) ?? [];
  if (!year) return undefined;
  const time = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(time) ? undefined : time;
}

/** Whether the request was signed with this secret, and the body is the one that was signed. */
export function isSignedWith(secretAccessKey: string, request: RawRequest, signature: Signature): boolean {
  const payloadHash = payloadHashOf(request, signature);
  if (payloadHash === undefined) return false;
  const canonical = canonicalRequest(request, signature, payloadHash);
  const toSign = ['AWS4-HMAC-SHA256', signature.date, signature.scope, sha256(canonical)].join('\n');
  const key = signature.scope
    .split('/')
    .reduce<string | Buffer>((secret, part) => hmac(secret, part), `AWS4${secretAccessKey}`);
  const expected = hmac(key, toSign);
  const actual = Buffer.from(signature.value, 'hex');
  return expected.length === actual.length && timingSafeEqual(expected, actual);
}

function payloadHashOf(request: RawRequest, signature: Signature): string | undefined {
  if (signature.presigned) return 'UNSIGNED-PAYLOAD';
  const declared = request.headers['x-amz-content-sha256'];
  const actual = sha256(request.body);
  if (declared === undefined || signature.service !== 's3') return actual;
  const isUnsigned = declared === 'UNSIGNED-PAYLOAD' || declared.startsWith('STREAMING-');
  return isUnsigned || declared === actual ? declared : undefined;
}

function canonicalRequest(request: RawRequest, signature: Signature, payloadHash: string): string {
  const { path, query } = splitTarget(request.target);
  const headers = signature.signedHeaders.map(
    (name) => `${name}:${(request.headers[name] ?? '').trim().replaceAll(/\s+/g, ' ')}\n`,
  );
  return [
    request.method,
    canonicalPath(path, signature.service),
    canonicalQuery(query),
    headers.join(''),
    signature.signedHeaders.join(';'),
    payloadHash,
  ].join('\n');
}

function canonicalPath(path: string, service: string): string {
  const once = path
    .split('/')
    .map((segment) => encode(decodeURIComponent(segment)))
    .join('/');
  return service === 's3' ? once : once.split('/').map(encode).join('/');
}

function canonicalQuery(query: string): string {
  return query
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const equals = pair.indexOf('=');
      const name = equals < 0 ? pair : pair.slice(0, equals);
      const value = equals < 0 ? '' : pair.slice(equals + 1);
      return [encode(decodeURIComponent(name)), encode(decodeURIComponent(value))] as const;
    })
    .filter(([name]) => name !== 'X-Amz-Signature')
    .sort(([a, av], [b, bv]) => compareBytes(a, b) || compareBytes(av, bv))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
}

function compareBytes(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

export function splitTarget(target: string): { path: string; query: string } {
  const mark = target.indexOf('?');
  return mark < 0
    ? { path: target, query: '' }
    : { path: target.slice(0, mark), query: target.slice(mark + 1) };
}

/** Keeps RFC 3986 unreserved characters only; `encodeURIComponent` keeps five more. */
function encode(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

function hmac(key: string | Buffer, data: string): Buffer {
  return createHmac('sha256', key).update(data).digest();
}
