/** GitHub sends no larger payload: https://docs.github.com/webhooks/webhook-events-and-payloads#payload-cap */
export const MAX_BODY_BYTES = 25 * 1024 * 1024;

export type ReadBody = { ok: true; text: string } | { ok: false; problem: 'too large' | 'not UTF-8' };

/**
 * The body as text that encodes back to exactly the bytes received, which is what the signature covers:
 * invalid UTF-8 is refused instead of replaced, and a byte order mark is kept (`request.text()` drops it).
 * Counts while it reads, because `Content-Length` may be missing or wrong.
 */
export async function readBody(request: Request): Promise<ReadBody> {
  if (Number(request.headers.get('content-length')) > MAX_BODY_BYTES)
    return { ok: false, problem: 'too large' };
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let bytes = 0;
  let text = '';
  try {
    for await (const chunk of request.body ?? []) {
      bytes += chunk.byteLength;
      if (bytes > MAX_BODY_BYTES) return { ok: false, problem: 'too large' };
      text += decoder.decode(chunk, { stream: true });
    }
    return { ok: true, text: text + decoder.decode() };
  } catch (error) {
    if (error instanceof TypeError) return { ok: false, problem: 'not UTF-8' };
    throw error;
  }
}
