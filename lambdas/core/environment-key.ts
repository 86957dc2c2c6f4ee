import { permanent } from './failure.ts';

/**
 * The key of an environment: one text that identifies it in the table, in messages and in the marks of what exists.
 *
 *   7#1                        a pull request
 *   7@main                     a branch
 *   7=demo                     an environment with a name
 *   7#1/arm                    a variant of any of them
 *   gitlab:7@feature_2Flogin   the same on another forge; a bare key means GitHub, which was the only one at first
 *
 * The repository is a number, which survives renames and transfers. Branches, names and variants may hold any
 * character: each character that is not an ASCII letter, a digit, a dot or a dash is written as `_` and two hexadecimal
 * digits for each byte of UTF-8. So every place accepts the characters of a key, each key has only one spelling, and
 * a separator never occurs inside a part.
 */
export type EnvironmentKey = KeyBase & KeySubject;

interface KeyBase {
  /** Undefined: the forge of bare keys. */
  forge?: string | undefined;
  repositoryId: number;
  variant?: string | undefined;
}

type KeySubject =
  | { kind: 'pull'; number: number }
  | { kind: 'branch'; branch: string }
  | { kind: 'name'; name: string };

/** Only letters are allowed, so that a digit always belongs to the repository's number. */
export const forgePattern = /^[a-z]{1,16}$/;

/** A branch of 255 bytes, the longest that forges allow, fits with each byte escaped. DynamoDB allows 2,048 bytes. */
export const MAX_KEY_LENGTH = 1_024;

/** The key of a pull request. */
export function environmentKey(repositoryId: number, number: number, forge?: string): string {
  return formatKey({ kind: 'pull', forge, repositoryId, number });
}

/** @throws EphError permanent if there is no key for it: too long, empty, or a text that UTF-8 cannot carry */
export function formatKey(key: EnvironmentKey): string {
  const { forge, repositoryId, variant } = key;
  if (!Number.isSafeInteger(repositoryId)) throw noKey();
  const prefix = forge === undefined ? '' : `${forge}:`;
  const suffix = variant === undefined ? '' : `/${escaped(variant)}`;
  const text = `${prefix}${repositoryId}${subjectOf(key)}${suffix}`;
  if (keyPattern.test(text) && text.length <= MAX_KEY_LENGTH) return text;
  throw noKey();
}

/** Undefined for a text that is not a key, and for a key in any other spelling than that of `formatKey`. */
export function parseKey(text: string): EnvironmentKey | undefined {
  if (text.length > MAX_KEY_LENGTH) return undefined;
  const [, forge, id = '', separator, subject = '', variant] = keyPattern.exec(text) ?? [];
  const repositoryId = Number(id);
  if (!Number.isSafeInteger(repositoryId)) return undefined;
  try {
    const base = {
      ...(forge === undefined ? {} : { forge }),
      repositoryId,
      ...(variant === undefined ? {} : { variant: unescaped(variant) }),
    };
    const key = withSubject(base, separator, subject);
    return key && formatKey(key) === text ? key : undefined;
  } catch {
    return undefined;
  }
}

/** @throws EphError permanent for a text that is not a key */
export function keyOf(text: string): EnvironmentKey {
  const key = parseKey(text);
  if (key) return key;
  throw noKey();
}

const keyPattern = /^(?:([a-z]{1,16}):)?(0|[1-9]\d*)([#@=])([\w.-]+)(?:\/([\w.-]+))?$/;

function subjectOf(key: EnvironmentKey): string {
  switch (key.kind) {
    case 'pull':
      if (!isNumber(String(key.number))) throw noKey();
      return `#${key.number}`;
    case 'branch':
      return `@${escaped(key.branch)}`;
    case 'name':
      return `=${escaped(key.name)}`;
  }
}

function withSubject(
  base: KeyBase,
  separator: string | undefined,
  subject: string,
): EnvironmentKey | undefined {
  switch (separator) {
    case '#':
      return isNumber(subject) ? { ...base, kind: 'pull', number: Number(subject) } : undefined;
    case '@':
      return { ...base, kind: 'branch', branch: unescaped(subject) };
    case '=':
      return { ...base, kind: 'name', name: unescaped(subject) };
    default:
      return undefined;
  }
}

function isNumber(text: string): boolean {
  return /^\d+$/.test(text) && Number.isSafeInteger(Number(text));
}

/** `encodeURIComponent` with `_` for `%`, because not every place accepts the percent sign. */
function escaped(text: string): string {
  if (!text.isWellFormed()) throw noKey();
  const encoded = encodeURIComponent(text).replace(/[_!~*'()]/g, toEscape);
  return encoded.replaceAll('%', '_');
}

function toEscape(character: string): string {
  return `_${character.charCodeAt(0).toString(16).toUpperCase()}`;
}

/** @throws URIError for bytes that are not UTF-8 */
function unescaped(text: string): string {
  return decodeURIComponent(text.replaceAll('_', '%'));
}

function noKey() {
  return permanent(
    'no_key',
    'Eph cannot make an environment of this: its name is empty, too long or no text. Choose another name.',
  );
}
