import { followRedirect } from './follow-redirect.ts';
import { type AnswerVerdict, judgeAnswer } from './judge-answer.ts';
import type { ProxyAdmin } from './proxy-admin.ts';

/**
 * Asks for a page as a visitor's browser would, and follows redirects within the preview with their cookies: people
 * see the page that `/` redirects to.
 *
 * Without that, an application that redirects to itself with https, or to `http://localhost:3000`, passes the check
 * although nobody can open it.
 */
export interface Page {
  hostname: string;
  path: string;
  /** The address that people open, with scheme and port. */
  url: string;
  /** The status that `health_check` wants; if it is set, only the first answer counts. */
  status?: number | undefined;
}

/** Browsers give up after 20; an application that needs half of that is broken. */
const MAX_REDIRECTS = 10;

export async function checkPage(
  page: Page,
  proxy: Pick<ProxyAdmin, 'probe'>,
  signal: AbortSignal,
): Promise<AnswerVerdict> {
  const cookies = new Map<string, string>();
  const visit = (to: string) => JSON.stringify([to, [...cookies.keys()].sort()]);
  const seen = new Set([visit(page.path)]);
  let path = page.path;
  for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await proxy.probe(page.hostname, path, { signal, ...(cookie ? { cookie } : {}) });
    const verdict = judgeAnswer(answer, hop === 0 ? page.status : undefined);
    if (!verdict.ok)
      return hop === 0 ? verdict : { ...verdict, why: `${verdict.why} (it redirects to ${shown(path)})` };
    if (answer.kind !== 'answered' || page.status !== undefined) return verdict;
    const to = followRedirect(answer, page.url, path);
    switch (to?.kind) {
      case undefined:
        return verdict;
      case 'elsewhere':
        return {
          ok: true,
          warning: `redirects to \`${to.hostname}\`, outside of this preview. If that is not its sign-in, build the address from \`EPH_URL\`.`,
        };
      case 'nowhere':
        return {
          ok: false,
          answered: true,
          code: 'redirect-nowhere',
          why: `redirects to \`${to.address}\`, and ${to.because}: set the variable that holds this address to \`\${EPH_URL}\``,
        };
      case 'here': {
        for (const line of answer.cookies ?? []) keepCookie(cookies, line);
        // A redirect to the same page that sets a cookie is a test for cookies; it is followed once.
        if (seen.has(visit(to.path))) return loop(answer.location);
        seen.add(visit(to.path));
        path = to.path;
      }
    }
  }
  return loop(undefined);
}

function keepCookie(cookies: Map<string, string>, line: string): void {
  const [, name, value] = /^\s*([^=;\s]+)=([^;]*)/.exec(line) ?? [];
  if (name !== undefined && value !== undefined) cookies.set(name, value);
}

function loop(location: string | undefined): AnswerVerdict {
  const to = location ? ` (\`Location: ${location.slice(0, 200)}\`)` : '';
  return {
    ok: false,
    answered: true,
    code: 'redirect-loop',
    why: `redirects to its own address without end${to}. Visitors come by https, and Eph's proxy says so in \`X-Forwarded-Proto\`: let the application trust that header (Django \`SECURE_PROXY_SSL_HEADER\`, Rails \`config.assume_ssl\`, Express \`trust proxy\`, Laravel \`trustProxies\`), let a proxy of your own pass it on, or leave its redirect to https out`,
  };
}

function shown(path: string): string {
  return `\`${path.slice(0, 200)}\``;
}
