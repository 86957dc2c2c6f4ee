import { createHmac } from 'node:crypto';
import type { KeyedHash } from '#core/names';

/** Node's own HMAC. Not WebCrypto's: its answers come from other threads, in an order that no test can repeat. */
export function keyedHash(key: string): KeyedHash {
  return (text) => createHmac('sha256', key).update(text).digest();
}
