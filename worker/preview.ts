/**
 * Passes a preview through to its tunnel, and shows a page instead of the error where nothing answers there.
 *
 * Gotchas
 * - Access runs first: only people who have signed in get here, and the token is sent on with the request.
 * - A tunnel without a connector is 530 for a subrequest too, an ordinary response: `fetch` does not throw.
 *   502 and 504 are cloudflared's while the machine is up and its proxy is not. The proxy itself marks all its
 *   answers with `x-eph`, so an application's own 502 is passed through.
 * - Every request counts: Workers Free has 100,000 a day for the whole account, the webhook's included, then
 *   answers error 1027 until 00:00 UTC unless the route's failure mode is "fail open" (dashboard only).
 * - Nothing is buffered, so upgrades (101), server-sent events and large bodies pass as they are.
 */
const RETRY_SECONDS = 5;

export function isPreview(request: Request, suffix: unknown): boolean {
  return typeof suffix === 'string' && suffix !== '' && new URL(request.url).hostname.endsWith(suffix);
}

export async function servePreview(request: Request): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(request);
  } catch {
    return waiting(request);
  }
  const isDown =
    response.status === 530 ||
    ((response.status === 502 || response.status === 504) && !response.headers.has('x-eph'));
  if (!isDown) return response;
  await response.body?.cancel();
  return waiting(request);
}

/** The status is 503 in either form: neither a browser nor a program must take the page for the application. */
function waiting(request: Request): Response {
  const isPage = isNavigation(request);
  return new Response(isPage ? page : 'The preview does not answer: it is starting, asleep or gone.\n', {
    status: 503,
    headers: {
      'content-type': isPage ? 'text/html; charset=utf-8' : 'text/plain; charset=utf-8',
      'cache-control': 'no-store',
      'retry-after': String(RETRY_SECONDS),
      'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'",
    },
  });
}

/** Whether a person opens a page of its own; not a frame, a script, or a program that accepts anything. */
function isNavigation({ method, headers }: Request): boolean {
  if (method !== 'GET' || headers.has('upgrade')) return false;
  const destination = headers.get('sec-fetch-dest');
  if (destination) return destination === 'document';
  return (headers.get('accept') ?? '').includes('text/html');
}

const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="${RETRY_SECONDS}">
<title>Waiting for the preview</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:15vh auto;padding:0 1.5rem}@media(prefers-color-scheme:dark){body{background:#16181a;color:#e6e8ea}}</style>
<h1>The preview does not answer yet</h1>
<p>It is starting, asleep or gone. The comment on the pull request says which.</p>
<p>This page looks again every ${RETRY_SECONDS} seconds.</p>
`;
