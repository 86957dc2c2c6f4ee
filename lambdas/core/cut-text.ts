const encoder = new TextEncoder();
const MARK = '…';

/** Bytes of UTF-8, which is what DynamoDB and S3 count; `length` counts UTF-16 and may be a third of it. */
export function byteLength(text: string): number {
  return encoder.encode(text).byteLength;
}

/**
 * At most `maxBytes` of UTF-8, ending in an ellipsis where something is missing. No character is cut in half,
 * and half a character that was there already (JSON can carry one, UTF-8 cannot) is replaced.
 */
export function cutText(text: string, maxBytes: number): string {
  const whole = text.toWellFormed();
  if (byteLength(whole) <= maxBytes) return whole;
  const { read } = encoder.encodeInto(whole, new Uint8Array(maxBytes - byteLength(MARK)));
  return whole.slice(0, read) + MARK;
}
