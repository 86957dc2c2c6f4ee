import { type EnvironmentKey, keyOf } from './environment-key.ts';

/**
 * Names of everything that an environment shows to the outside.
 *
 * `{project}-{adjective}-{noun}-{tag}-{number}`, e.g. `shop-gentle-stream-4x7k2m-42`. The middle is a keyed
 * hash of the whole key (6 + 6 bits of words, 30 bits of tag: 42 bits). So a name stays the same as long as the pull
 * request exists, nobody outside can guess it, and branches with similar names never get the same one.
 * A label of DNS has at most 63 characters; a longer one is cut and ends in a hash of the whole. Of a branch or a name,
 * the label has only the beginning, for people to read: no key can be read from a label; the row has both.
 */
const MAX_LABEL = 63;
const MAX_PROJECT = 16;
/** The length of the longest number: a service's own label must have room before it. */
const MAX_SUBJECT = 7;

const adjectives =
  'amber ample arctic azure bold brave breezy bright brisk calm candid cedar civil clear clever coral cosmic cozy crisp daring deep eager early easy epic fair fancy fleet fond fresh gentle glad golden grand happy hardy honest humble icy jolly keen kind lively lucid lucky mellow merry mild misty modest neat noble patient plain proud quiet rapid royal sage shiny silent smart snowy sunny'.split(
    ' ',
  );
const nouns =
  'anchor arbor aspen atlas badger basin beacon birch bison bloom breeze bridge brook canyon cedar cliff cloud comet coral cove crane creek delta dune eagle ember falcon fern field finch fjord forest garden glade grove harbor haven heron hill island lagoon lake lantern lark maple meadow mesa moon oak ocean orchard otter pebble pine planet pond prairie quartz raven reef ridge river shore stream'.split(
    ' ',
  );
/** Crockford's alphabet has no i, l, o and u, so that nobody misreads a name aloud. */
const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';

/** Lower-case letters, digits and single dashes; never empty, never starting or ending with a dash. */
export function slug(text: string): string {
  const cleaned = text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '');
  return cleaned || 'app';
}

/** FNV-1a, 30 bits as six characters. It distinguishes names that were cut; it is not for secrets. */
export function shortHash(text: string): string {
  let hash = 0x811c9dc5;
  // Not `for of`: a comment has thousands of characters, and `for of` makes a string of each.
  for (let index = 0; index < text.length; index += 1) {
    const code = text.codePointAt(index) ?? 0;
    if (code > 0xffff) index += 1;
    hash = Math.imul(hash ^ code, 0x01000193) >>> 0;
  }
  return toTag(hash);
}

function toTag(bits: number): string {
  let rest = bits >>> 0;
  let tag = '';
  for (let index = 0; index < 6; index += 1) {
    tag += alphabet.charAt(rest & 31);
    rest >>>= 5;
  }
  return tag;
}

/** At most `max` characters; a text that was cut ends in a hash of the whole, so that texts stay different. */
export function cut(text: string, max: number): string {
  if (text.length <= max) return text;
  return `${text.slice(0, max - 7).replace(/-+$/, '')}-${shortHash(text)}`;
}

/** HMAC with SHA-256 under a key that is not known outside: 32 bytes. */
export type KeyedHash = (text: string) => Uint8Array;

/** The first label of the main hostname, without the suffix. */
export function environmentName(repositoryName: string, key: string, hash: KeyedHash): string {
  const digest = hash(key);
  const view = new DataView(digest.buffer, digest.byteOffset, digest.byteLength);
  const adjective = adjectives[view.getUint8(0) & 63];
  const noun = nouns[view.getUint8(1) & 63];
  const project = slug(repositoryName).slice(0, MAX_PROJECT).replace(/-+$/, '');
  return `${project}-${adjective}-${noun}-${toTag(view.getUint32(2) >>> 2)}-${subjectOf(keyOf(key))}`;
}

function subjectOf(key: EnvironmentKey): string {
  if (key.kind === 'pull' && key.variant === undefined) return String(key.number);
  const words = [wordOf(key), key.variant ?? ''].join('-');
  return slug(words).slice(0, MAX_SUBJECT).replace(/-+$/, '');
}

function wordOf(key: EnvironmentKey): string {
  switch (key.kind) {
    case 'pull':
      return String(key.number);
    case 'branch':
      return key.branch;
    case 'name':
      return key.name;
  }
}

/**
 * `<service>--<main hostname>` is one label deep, because the free certificate covers one label.
 *
 * For a service of two letters it is `s--<service>--<main hostname>`: hyphens in the third and fourth place are
 * reserved for encodings such as `xn--`, and validators refuse every other such label
 * (https://www.rfc-editor.org/rfc/rfc5891, 4.2.3.1). No other service can have that name, since a slug never has two
 * dashes in a row.
 */
export function serviceHostname(service: string, mainHostname: string): string {
  const dot = mainHostname.indexOf('.');
  const label = mainHostname.slice(0, dot);
  const name = cut(slug(service), MAX_LABEL - label.length - 2);
  return `${name.length === 2 ? `s--${name}` : name}--${label}${mainHostname.slice(dot)}`;
}

/** The suffix of `EPH_URL_<SERVICE>` and similar names: upper case, and an underscore for every other character. */
export function variableSuffix(service: string): string {
  return service.toUpperCase().replace(/[^A-Z0-9]/g, '_');
}

/**
 * Everything that Eph makes carries the deployment's id, so that two deployments can share an account and a zone
 * without changing each other's resources.
 */
export const tags = {
  deployment: 'eph:deployment',
  environment: 'eph:environment',
  attempt: 'eph:attempt',
} as const;
