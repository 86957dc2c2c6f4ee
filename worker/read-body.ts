/**
 * The limit for the body of an event that Eph acts on; GitHub's own limit is 25 MB
 * (https://docs.github.com/webhooks/webhook-events-and-payloads#payload-cap). Anybody may send a body, and it is in
 * memory before its signature can be checked.
 *
 * The largest is `pull_request.edited`. A text has 65,536 characters at most (measured:
 * https://github.com/dead-claudia/github-limits/pull/13), each of 12 bytes at worst (two `\uXXXX`), 0.79 MB:
 *
 *   body, body before the edit                                       1.57 MB
 *   milestone and merge message, were they as long (not documented)  1.57 MB
 *   100 labels of 300 bytes with name and description (150 x 12)     0.21 MB
 *   10 assignees, 100 reviewers, 100 teams of 1.5 KB each            0.32 MB
 *   two repositories, people, links                                  0.05 MB
 *
 * together 3.7 MB; GitHub's own example has 0.03. It is also room for 20,000 repositories in `installation`.
 */
export const MAX_BODY_BYTES = 4 * 1024 * 1024;

export type ReadBody = { ok: true; text: string } | { ok: false; problem: 'too large' | 'not UTF-8' };

/**
 * The body as text that encodes back to exactly the bytes received, which is what the signature covers:
 * invalid UTF-8 is refused instead of replaced, and a byte order mark is kept (`request.text()` drops it).
 *
 * Every chunk is copied to its place in one buffer and then forgotten; text that grows chunk by chunk would be kept
 * in parts and once more as a whole. The bytes are counted during the read, because `Content-Length` may be missing.
 */
export async function readBody(request: Request): Promise<ReadBody> {
  const announced = Number(request.headers.get('content-length')) || MAX_BODY_BYTES;
  if (announced > MAX_BODY_BYTES) return { ok: false, problem: 'too large' };
  const bytes = new Uint8Array(announced);
  let length = 0;
  for await (const chunk of request.body ?? []) {
    if (length + chunk.byteLength > bytes.byteLength) return { ok: false, problem: 'too large' };
    bytes.set(chunk, length);
    length += chunk.byteLength;
  }
  try {
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    return { ok: true, text: decoder.decode(bytes.subarray(0, length)) };
  } catch (error) {
    if (error instanceof TypeError) return { ok: false, problem: 'not UTF-8' };
    throw error;
  }
}
