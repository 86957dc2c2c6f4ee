import { createHmac } from 'node:crypto';
import type { KeyedHash } from '#core/names';

/** Uses Node's HMAC, not WebCrypto's: WebCrypto answers from other threads, in an order that no test can repeat. */
export function keyedHash(key: string): KeyedHash {
  return (text) => createHmac('sha256', key).update(text).digest();
}
