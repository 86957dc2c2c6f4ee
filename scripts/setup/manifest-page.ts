import type { AppManifest } from '../../infra/github/app-manifest.ts';

/** The page with the one button: its form sends the manifest to GitHub. */
export function manifestPage(action: string, manifest: AppManifest): string {
  const rights = Object.entries(manifest.default_permissions).map(
    ([name, level]) => `<li>${escaped(name.replaceAll('_', ' '))}: ${escaped(level)}</li>`,
  );
  return page(
    'Make the GitHub App',
    `<p>GitHub shows the App <b>${escaped(manifest.name)}</b> next, where you can give it another name, and makes it when you
confirm. It delivers events to <code>${escaped(manifest.hook_attributes.url)}</code> and may:</p>
<ul>${rights.join('')}</ul>
<form method="post" action="${escaped(action)}">
<input type="hidden" name="manifest" value="${escaped(JSON.stringify(manifest))}">
<button>Continue on ${escaped(new URL(action).host)}</button>
</form>`,
  );
}

export function messagePage(title: string, text: string): string {
  return page(title, `<p>${escaped(text)}</p>`);
}

function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${escaped(title)}</title>
<meta name="viewport" content="width=device-width">
<style>:root { color-scheme: light dark; } body { font: 16px/1.5 system-ui, sans-serif; max-width: 40em; margin: 3em auto; padding: 0 1em; }
button { font: inherit; font-weight: 600; padding: .5em 1.2em; }</style></head>
<body><h1>${escaped(title)}</h1>${body}</body></html>`;
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
