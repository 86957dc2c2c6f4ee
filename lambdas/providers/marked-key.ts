import { createHash } from 'node:crypto';

/**
 * A comment of a DNS record holds 100 characters on a free zone, with `eph:`, a deployment's id of 16 and `:` before
 * the key; the name of a tunnel is kept as short. All marks hold the same, so that one can be compared with another.
 */
const MAX_MARKED_KEY = 64;
const HASH_LENGTH = 32;

/**
 * An environment's key as marks of what exists carry it: tags, tunnels, DNS records, deployments of a forge. A key of
 * a pull request always fits. One that is longer is cut, and ends in a hash of the whole, 128 bits of SHA-256: whoever
 * may push branches must not be able to choose one whose things are taken for another's.
 *
 * A cut mark leads to no row by itself. Rows lead to their marks, and it is marks that are compared. The whole key is in
 * the row, in the machine's own row and user data, and in the comment's marker. Cutting again changes nothing.
 */
export function markedKey(key: string): string {
  if (key.length <= MAX_MARKED_KEY) return key;
  const hash = createHash('sha256').update(key).digest('hex').slice(0, HASH_LENGTH);
  return `${key.slice(0, MAX_MARKED_KEY - HASH_LENGTH - 1)}:${hash}`;
}
