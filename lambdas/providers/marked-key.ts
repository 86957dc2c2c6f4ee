import { createHash } from 'node:crypto';

/**
 * The comment of a DNS record holds 100 characters on a free zone, including `eph:`, a deployment id of 16 and `:`
 * before the key; the name of a tunnel is kept as short. All marks hold the same, so that they can be compared.
 */
const MAX_MARKED_KEY = 64;
const HASH_LENGTH = 32;

/**
 * An environment's key as the marks of what exists carry it: tags, tunnels, DNS records, deployments of a forge. A key
 * of a pull request always fits. A longer key is cut and ends in a hash of the whole, 128 bits of SHA-256: a person who
 * may push branches must not be able to choose one whose resources are taken for those of another.
 *
 * A cut mark alone leads to no row. Rows lead to their marks, and marks are compared. The complete key is in the row,
 * in the machine's own row and user data, and in the comment's marker. Cutting a mark again changes nothing.
 */
export function markedKey(key: string): string {
  if (key.length <= MAX_MARKED_KEY) return key;
  const hash = createHash('sha256').update(key).digest('hex').slice(0, HASH_LENGTH);
  return `${key.slice(0, MAX_MARKED_KEY - HASH_LENGTH - 1)}:${hash}`;
}
