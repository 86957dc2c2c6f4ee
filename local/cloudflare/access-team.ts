/**
 * The team domain (`team.<zone>` here, `<team>.cloudflareaccess.com` at Cloudflare): the keys, the login page, and
 * the session with which a person need not log in again on the next hostname.
 *
 * Login: /cdn-cgi/access/login/<host>?kid&meta -> form -> POST with e-mail and code -> the application's
 * policies are asked -> session cookie on the team domain -> back to <host>/cdn-cgi/access/authorized?state.
 *
 * There is no mail here, so the one-time code is the same for everybody on this platform and the page shows it; at
 * Cloudflare it is mailed, or the person logs in at GitHub. All later steps are the same.
 */
import { timingSafeEqual } from 'node:crypto';
import { cookieOf, type EdgeAnswer, type EdgeRequest, redirect } from './access-gate.ts';
import { durationMs } from './access-organization.ts';
import { admits } from './access-policies.ts';
import type { AccessSessions, LoginRequest, Person } from './access-sessions.ts';
import type { CloudflareMachine } from './cloudflare.ts';
import { errorPage, escapeHtml, htmlPage } from './error-page.ts';

const COOKIE = 'CF_Authorization';

interface TeamOptions {
  machine: CloudflareMachine;
  sessions: AccessSessions;
  /** The people who can log in, with their organizations; other addresses log in without any organization. */
  people: readonly Person[];
  loginCode: string;
}

export function createTeamPages({ machine, sessions, people, loginCode }: TeamOptions) {
  return async (request: EdgeRequest, body: string): Promise<EdgeAnswer> => {
    const url = new URL(request.path, 'http://team');
    if (url.pathname === '/cdn-cgi/access/certs') {
      return {
        status: 200,
        headers: [
          ['content-type', 'application/json'],
          ['cache-control', 'public, max-age=14400'],
          ['access-control-allow-origin', '*'],
        ],
        body: JSON.stringify(sessions.certs),
      };
    }
    if (url.pathname === '/cdn-cgi/access/logout') {
      const answer = page(
        200,
        'You are logged out',
        '<p>Close the window, or open a preview to log in again.</p>',
      );
      return { ...answer, headers: [...answer.headers, ['set-cookie', `${COOKIE}=; Path=/; Max-Age=0`]] };
    }
    if (!url.pathname.startsWith('/cdn-cgi/access/login')) {
      return page(404, 'Nothing here', '<p>This is the address where people log in to the previews.</p>');
    }
    return login(request, url, body);
  };

  async function login(request: EdgeRequest, url: URL, body: string): Promise<EdgeAnswer> {
    const note = await sessions.readLoginNote(url.searchParams.get('meta') ?? '');
    const application = note ? machine.findByAud(note.aud) : undefined;
    if (!note || !application || note.aud !== url.searchParams.get('kid')) {
      return errorPage(request, 400, 'Invalid login session', 'Open the page you wanted again to log in.');
    }
    const known = await sessions.verifyOrg(cookieOf(request, COOKIE) ?? '');
    if (request.method !== 'POST') {
      return known ? enter(request, note, known) : form(note, '');
    }
    const fields = new URLSearchParams(body);
    const email = (fields.get('email') ?? '').trim().toLowerCase();
    if (!/^[^\s@]+@[^\s@]+$/.test(email)) return form(note, 'Enter an e-mail address.', 400);
    if (!sameText(fields.get('code') ?? '', loginCode)) return form(note, 'That code is not valid.', 401);
    const person = people.find((candidate) => candidate.email === email) ?? { email, organizations: [] };
    return enter(request, note, person);
  }

  async function enter(request: EdgeRequest, note: LoginRequest, person: Person): Promise<EdgeAnswer> {
    const application = machine.findByAud(note.aud);
    const loginMethod = machine.loginMethod(application?.allowed_idps)?.id ?? '';
    const policies = application ? machine.policiesOf(application) : [];
    const identity = { ...person, loginMethod };
    if (!admits(policies, 'allow', { ip: request.ip, identity })) {
      const sentence = `That account does not have access: ${person.email} is let in by no policy of this application.`;
      return errorPage(request, 403, 'That account does not have access', sentence);
    }
    const lifetime = durationMs(machine.getOrganization().session_duration);
    const session = await sessions.orgToken(person, lifetime);
    const query = new URLSearchParams({ state: await sessions.stateNote(note, person) });
    return redirect(`http://${note.host}/cdn-cgi/access/authorized?${query}`, [
      `${COOKIE}=${session}; Path=/; Max-Age=${Math.floor(lifetime / 1_000)}; HttpOnly; SameSite=Lax`,
    ]);
  }

  function form(note: LoginRequest, problem: string, status = 200): EdgeAnswer {
    const options = people.map(({ email }) => `<option value="${escapeHtml(email)}">`).join('');
    const first = people[0]?.email ?? '';
    return page(
      status,
      'Log in',
      `<p>to open <strong>${escapeHtml(note.host)}</strong></p>
${problem === '' ? '' : `<p class="problem" role="alert">${escapeHtml(problem)}</p>`}
<form method="post">
<label for="email">E-mail address</label>
<input id="email" name="email" type="email" required autocomplete="email" list="people" value="${escapeHtml(first)}">
<datalist id="people">${options}</datalist>
<label for="code">One-time code</label>
<input id="code" name="code" inputmode="numeric" required autocomplete="one-time-code">
<button type="submit">Log in</button>
</form>
<p class="note">This platform sends no mail. The code is <code>${escapeHtml(loginCode)}</code>.</p>`,
    );
  }
}

function page(status: number, title: string, content: string): EdgeAnswer {
  return {
    status,
    headers: [
      ['content-type', 'text/html; charset=UTF-8'],
      ['cache-control', 'private, no-store'],
    ],
    body: htmlPage(title, content),
  };
}

function sameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a.trim()), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
