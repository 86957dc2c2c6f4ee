const encoder = new TextEncoder();
const MARK = '…';

/** Counts bytes of UTF-8, as stores do; `length` counts UTF-16 units and may be a third of that. */
export function byteLength(text: string): number {
  return encoder.encode(text).byteLength;
}

/**
 * Cuts a text to at most `maxBytes` of UTF-8; a text that was cut ends in an ellipsis. No character is cut in half.
 * Half a character that was in the text already (JSON can carry one, UTF-8 cannot) is replaced.
 */
export function cutText(text: string, maxBytes: number): string {
  const whole = text.toWellFormed();
  if (byteLength(whole) <= maxBytes) return whole;
  const { read } = encoder.encodeInto(whole, new Uint8Array(maxBytes - byteLength(MARK)));
  return whole.slice(0, read) + MARK;
}
