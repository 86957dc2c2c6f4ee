import { type HeaderList, headerOf } from './tunnel-wire.ts';

interface Page {
  status: number;
  headers: HeaderList;
  body: string;
}

/**
 * Cloudflare's own error pages: HTML for a client that asks for it, otherwise the line `error code: NNNN`
 * (1033 and 1016 both come with status 530).
 */
export function errorPage(
  request: { headers: HeaderList },
  status: number,
  title: string,
  sentence: string,
  code: number = status,
): Page {
  const isBrowser = headerOf(request.headers, 'accept')?.includes('text/html') ?? false;
  return {
    status,
    headers: [
      ['content-type', isBrowser ? 'text/html; charset=UTF-8' : 'text/plain; charset=UTF-8'],
      ['cache-control', 'private, no-store'],
    ],
    body: isBrowser
      ? htmlPage(title, `<p>${escapeHtml(sentence)}</p><p class="code">Error ${code}</p>`)
      : `error code: ${code}`,
  };
}

export function htmlPage(title: string, content: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 34rem; margin: 12vh auto; padding: 0 1.5rem; color: #1d1f20; }
h1 { font-weight: 500; }
.code, .note { color: #62676a; }
label { display: block; margin: 1rem 0 .25rem; }
input { font: inherit; padding: .5rem; width: 100%; box-sizing: border-box; }
button { font: inherit; margin-top: 1.25rem; padding: .5rem 1.25rem; }
.problem { color: #b3261e; }
</style>
</head>
<body>
<h1>${escapeHtml(title)}</h1>
${content}
</body>
</html>
`;
}

export function escapeHtml(text: string): string {
  const entities: Record<string, string> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? character);
}
