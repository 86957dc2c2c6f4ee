/**
 * The wire log: one JSON line for each request that a stand-in answered.
 *
 * Lifecycle: `createWireLog(file)` opens the file for appending; each stand-in calls `record` when it has
 * answered; `close` resolves when the last line is on disk. Without a file, records go nowhere.
 *
 * Gotchas
 * - Secrets are redacted here and not by the callers, so that only one place must be right. They are found by the
 *   name of their key, and by the form of the value, since a GitHub token may be in a git URL or in a log line.
 * - A redacted value keeps its JSON type (a string stays a string), so that lines can still be checked against the
 *   vendors' OpenAPI descriptions.
 * - A JSON body over MAX_BODY_BYTES first loses the tails of its long strings, and only if that is not
 *   enough becomes text.
 */
import { createWriteStream, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';

export type WirePeer =
  | 'worker'
  | 'sqs'
  | 's3'
  | 'dynamodb'
  | 'ec2'
  | 'ssm'
  | 'sts'
  | 'lambda'
  | 'iam'
  | 'cloudformation'
  | 'logs'
  | 'servicequotas'
  | 'github'
  | 'cloudflare'
  | 'edge';

export interface WireEntry {
  /** Epoch milliseconds when the request came in. */
  t: number;
  peer: WirePeer;
  method: string;
  /** Without the query; github without `/api/v3`, cloudflare without `/client/v4`. */
  path: string;
  query: Record<string, string | string[]>;
  /** Body: a parsed value, text, bytes (logged as their number), or null for none. */
  request: unknown;
  status: number;
  reply: unknown;
}

export interface WireLog {
  record(entry: WireEntry): void;
  close(): Promise<void>;
}

export const MAX_BODY_BYTES = 16 * 1024;
const REDACTED = '[redacted]';
const LONG_STRING = 1_000;

export function createWireLog(file?: string): WireLog {
  if (file === undefined) return { record: () => undefined, close: async () => undefined };
  const stream = createWriteStream(file, { fd: open(file) });
  let failure: Error | undefined;
  stream.on('error', (error) => {
    failure = error;
  });
  return {
    record(entry) {
      stream.write(`${JSON.stringify(entryOnWire(entry))}\n`);
    },
    close: () =>
      new Promise((resolve, reject) => {
        stream.end(() => (failure ? reject(failure) : resolve()));
      }),
  };
}

/** @throws Error at once, with a sentence: a log that was not written cannot be restored later. */
function open(file: string): number {
  try {
    mkdirSync(dirname(file), { recursive: true });
    return openSync(file, 'a');
  } catch (cause) {
    throw new Error(`WIRE_LOG is ${file}, which cannot be written. Name a file in a folder of yours.`, {
      cause,
    });
  }
}

/** The query of an address in the form of `WireEntry.query`: repeated names become lists. */
export function wireQuery(search: URLSearchParams): WireEntry['query'] {
  const query: WireEntry['query'] = {};
  for (const name of new Set(search.keys())) {
    const values = search.getAll(name);
    query[name] = values.length === 1 ? (values[0] ?? '') : values;
  }
  return query;
}

/** Bytes as they came over the wire -> JSON value, text, or the bytes themselves if they are neither. */
export function wireBody(bytes: Uint8Array): unknown {
  if (bytes.byteLength === 0) return null;
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return bytes;
  }
  return parsedOrText(text);
}

function entryOnWire(entry: WireEntry): WireEntry {
  return {
    t: entry.t,
    peer: entry.peer,
    method: entry.method,
    path: redactText(entry.path),
    query: redact(entry.query) as WireEntry['query'],
    request: cut(redact(entry.request)),
    status: entry.status,
    reply: cut(redact(entry.reply)),
  };
}

function redact(value: unknown): unknown {
  if (typeof value === 'string') return redactString(value);
  if (value instanceof Uint8Array) return `<${value.byteLength} bytes>`;
  if (Array.isArray(value)) return value.map(redact);
  if (typeof value !== 'object' || value === null) return value ?? null;
  const isSecureParameter = 'Type' in value && value.Type === 'SecureString';
  const redacted: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(value)) {
    const secret = isSecretKey(key) || (isSecureParameter && key === 'Value');
    redacted[key] = secret ? redactLeaves(inner) : redact(inner);
  }
  return redacted;
}

/**
 * These match the end of a name, not a part of it: GitHub's `secret_scanning: {status: "enabled"}` is an enumeration
 * that the contract tests read. Idempotency and pagination tokens are not secret and are useful in the log.
 */
const secretKey =
  /(?:token|secrets?|password|passphrase|private_?key|secret_?(?:access_?)?key|secret_?string|authorization|signature|credentials?|cookie|pem)$/;
const openTokens = new Set([
  'clienttoken',
  'nexttoken',
  'continuationtoken',
  'paginationtoken',
  'starttoken',
]);

function isSecretKey(key: string): boolean {
  const name = key.toLowerCase().replaceAll('-', '_');
  return secretKey.test(name) && !openTokens.has(name.replaceAll('_', ''));
}

function redactLeaves(value: unknown): unknown {
  if (typeof value === 'string' || typeof value === 'number') return REDACTED;
  if (Array.isArray(value)) return value.map(redactLeaves);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, redactLeaves(inner)]));
}

/** A queue message or a mailbox document is JSON inside a string, so the string is parsed. */
function redactString(text: string): string {
  const parsed = parsedOrText(text);
  return typeof parsed === 'string' ? redactText(text) : JSON.stringify(redact(parsed));
}

const secretShapes: readonly RegExp[] = [
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g,
  /\bgh[a-z]_[A-Za-z0-9._-]{20,}/g,
  /\bgithub_pat_[A-Za-z0-9_]{20,}/g,
  /\bcf(?:ut|at|ast)_[A-Za-z0-9]{20,}/g,
  // JSON Web Tokens, and cloudflared's tunnel tokens (base64 of a JSON object, no dots).
  /\beyJ[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+){1,2}/g,
  /\beyJ[A-Za-z0-9+/_-]{60,}={0,2}/g,
];
const secretParameter =
  /([?&](?:token|access_token|sig|signature|secret|password|x-amz-signature|x-amz-security-token)=)[^&\s"']+/gi;
/** AWS' query protocol answers in XML, which is text here. */
const secretElement = /(<(?:SecretAccessKey|SessionToken)>)[^<]+/g;
const userInfo = /(:\/\/[^/\s:@"']+:)[^@/\s"']+@/g;

function redactText(text: string): string {
  const shaped = secretShapes.reduce((line, shape) => line.replace(shape, REDACTED), text);
  return shaped
    .replace(secretParameter, `$1${REDACTED}`)
    .replace(secretElement, `$1${REDACTED}`)
    .replace(userInfo, `$1${REDACTED}@`);
}

function parsedOrText(text: string): unknown {
  if (!/^\s*[[{]/.test(text)) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function cut(body: unknown): unknown {
  const bytes = sizeOf(body);
  if (bytes <= MAX_BODY_BYTES) return body;
  const shorter = shortenStrings(body);
  if (sizeOf(shorter) <= MAX_BODY_BYTES) return shorter;
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return `${text.slice(0, MAX_BODY_BYTES)}<cut, ${bytes} bytes in all>`;
}

function sizeOf(body: unknown): number {
  return Buffer.byteLength(JSON.stringify(body));
}

function shortenStrings(value: unknown): unknown {
  if (typeof value === 'string' && value.length > LONG_STRING) {
    return `${value.slice(0, LONG_STRING)}<cut, ${value.length} characters in all>`;
  }
  if (Array.isArray(value)) return value.map(shortenStrings);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, shortenStrings(inner)]));
}
