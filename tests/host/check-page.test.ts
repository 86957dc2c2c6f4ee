import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { checkPage } from '../../host/check-page.ts';
import { explainSilence } from '../../host/judge-answer.ts';
import { createProxyAdmin } from '../../host/proxy-admin.ts';

const hostname = 'shop-calm-river-42-pr.example.dev';
const page = { hostname, path: '/', url: `https://${hostname}` };
const never = new AbortController().signal;
const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

async function serve(answer: RequestListener): Promise<number> {
  const server: Server = createServer(answer);
  ends.push(() => {
    server.closeAllConnections();
    server.close();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

const check = (port: number, more: Partial<typeof page> & { status?: number } = {}) =>
  checkPage({ ...page, ...more }, createProxyAdmin('/nowhere', port), never);

const answering = async (status: number, body = '', headers: Record<string, string> = {}) =>
  check(await serve((_, response) => response.writeHead(status, headers).end(body)));

/** The content that people committed: the script of its first service, or nginx's answer to an unknown name. */
async function startFixture(name: string): Promise<number> {
  const folder = join(import.meta.dirname, '../fixtures/answers', name);
  const nginx = join(folder, 'default.conf');
  if (existsSync(nginx)) {
    const [, status, text] = /return (\d+) "?([^";]*)/.exec(readFileSync(nginx, 'utf8')) ?? [];
    return serve((request, response) => {
      const said = (text ?? '')
        .replace('$host', request.headers.host ?? '')
        .replace('$request_uri', request.url ?? '')
        .replace('\\n', '\n');
      response.writeHead(Number(status), said.startsWith('http') ? { location: said } : {}).end(said);
    });
  }
  const { services } = parse(readFileSync(join(folder, 'compose.yaml'), 'utf8'));
  const { command, environment } = services.web;
  const script = command[2].replace(
    /\.listen\(\d+\)/,
    '.listen(0, "127.0.0.1", function () { console.log(this.address().port) })',
  );
  const child = spawn(process.execPath, ['-e', script], { env: { ...process.env, ...environment } });
  ends.push(() => child.kill());
  const [line] = await once(child.stdout, 'data');
  return Number(line);
}

describe('a page that nobody can use is not green', () => {
  it.each([
    ['https-redirect-loop', 'redirect-loop', 'redirects to its own address without end'],
    ['localhost-url', 'redirect-nowhere', 'set the variable that holds this address to `$'],
    ['bad-request-400', 'host-refused', 'Django’s `ALLOWED_HOSTS`'],
  ])('%s: %s', async (name, code, says) => {
    const verdict = await check(await startFixture(name));
    expect(verdict).toMatchObject({ ok: false, code });
    if (verdict.ok) throw new Error('a failure');
    const service = { name: 'web', port: 80 };
    const { sentence } = explainSilence({ service, path: '/', verdict, seconds: 60, listening: [], log: [] });
    expect(sentence).toContain(says);
    expect(sentence).toMatch(/^`web` runs, but at `\/` it .*\.$/);
  });

  it('proxy-knows-other-host: may be meant, so it is green with a warning', async () => {
    expect(await check(await startFixture('proxy-knows-other-host'))).toMatchObject({
      ok: true,
      warning: expect.stringContaining('answers 404. If it has pages for certain hostnames only'),
    });
  });

  it.each([
    ['Vite', 403, 'Blocked request. This host ("x") is not allowed.', 'server.allowedHosts'],
    ['webpack', 403, 'Invalid Host header', 'devServer.allowedHosts'],
    ['webpack 4, which says 200', 200, 'Invalid Host header', 'devServer.allowedHosts'],
    ['Django with DEBUG', 400, '<title>DisallowedHost at /</title>', 'ALLOWED_HOSTS'],
    ['Rails', 403, '<h1>Blocked hosts: x</h1>', 'config.hosts'],
    ['Symfony', 400, 'Untrusted Host "x". (400 Bad Request)', 'trusted_hosts'],
    ['Laravel', 404, 'Bad hostname provided.', 'trustHosts'],
    ['ASP.NET', 400, '<p>HTTP Error 400. The request hostname is invalid.</p>', 'AllowedHosts'],
    ['Angular', 400, 'Header "host" with value "x" is not allowed.', 'NG_ALLOWED_HOSTS'],
    ['Nextcloud', 400, 'Access through untrusted domain', 'trusted_domains'],
    ['TYPO3', 500, 'The host header value does not match the configured trusted hosts pattern!', 'TYPO3'],
    ['one never heard of', 421, '{"error":"Unknown host"}', 'list of hostnames'],
  ])('a check of hostnames: %s', async (_, status, body, says) => {
    const verdict = await answering(status, body);
    expect(verdict).toMatchObject({ ok: false, code: 'host-refused' });
    expect(verdict.ok ? '' : verdict.why).toContain(says);
  });

  it.each([
    ['a page about such checks', 200, 'How to get rid of DisallowedHost and Blocked hosts'],
    ['a sign-in', 401, 'who are you?'],
    ['a small API', 200, '{}'],
  ])('green without a word: %s', async (_, status, body) => {
    expect(await answering(status, body)).toEqual({ ok: true });
  });

  it('a missing database is not mistaken for a check of hostnames', async () => {
    expect(await answering(500, 'java.net.UnknownHostException: Unknown host db')).toEqual({
      ok: false,
      answered: true,
      why: 'answers 500',
    });
  });

  it.each([
    [200, ''],
    [403, ''],
    [404, '404 page not found\n'],
  ])('a warning: %i "%s"', async (status, body) => {
    expect(await answering(status, body)).toMatchObject({
      ok: true,
      warning: expect.stringContaining('EPH_HOST'),
    });
  });

  it.each([
    ['http://localhost:3000/login', 'redirect-nowhere'],
    ['http://127.0.0.1/', 'redirect-nowhere'],
    ['http://app.localhost/', 'redirect-nowhere'],
    ['http://web:3000/', 'redirect-nowhere'],
    ['http://172.18.0.4/', 'redirect-nowhere'],
    [`https://${hostname}:3000/`, 'redirect-nowhere'],
    [`https://${hostname}/`, 'redirect-loop'],
    [`http://${hostname}/`, 'redirect-loop'],
    ['/', 'redirect-loop'],
  ])('a redirect to %s: %s', async (location, code) => {
    expect(await answering(302, '', { location })).toMatchObject({ ok: false, code });
  });

  it('a redirect to another site, a sign-in or the live application, is a warning', async () => {
    expect(await answering(302, '', { location: 'https://shop.example.com/' })).toMatchObject({
      ok: true,
      warning: expect.stringContaining('`shop.example.com`, outside of this preview'),
    });
  });

  it('names of the local platform are not mistaken for the visitor’s own machine', async () => {
    const port = await serve((_, response) =>
      response.writeHead(302, { location: 'http://sign-in.eph.localhost:8787/' }).end(),
    );
    const local = { hostname: 'shop-pr.eph.localhost', url: 'http://shop-pr.eph.localhost:8787' };
    expect(await check(port, local)).toMatchObject({ ok: true });
  });

  it('judges the page that a redirect leads to, with the cookies that it sets', async () => {
    const asked: string[] = [];
    const port = await serve((request, response) => {
      asked.push(`${request.url} ${request.headers.cookie ?? ''}`.trim());
      if (!request.headers.cookie)
        return response.writeHead(302, { location: '/', 'set-cookie': 'sid=1; Path=/' }).end();
      if (request.url === '/') return response.writeHead(302, { location: '/login' }).end();
      return response.writeHead(500).end();
    });
    expect(await check(port)).toEqual({
      ok: false,
      answered: true,
      why: 'answers 500 (it redirects to `/login`)',
    });
    expect(asked).toEqual(['/', '/ sid=1', '/login sid=1']);
  });

  it('ends a chain of redirects that has no end', async () => {
    const port = await serve((request, response) =>
      response.writeHead(302, { location: `/${(request.url ?? '').length}/${request.url}` }).end(),
    );
    expect(await check(port)).toMatchObject({ ok: false, code: 'redirect-loop' });
  });

  it('uses `health_check.status` exactly', async () => {
    const port = await serve((_, response) =>
      response.writeHead(301, { location: 'http://localhost/' }).end(),
    );
    expect(await check(port, { status: 301 })).toEqual({ ok: true });
    expect(await check(port, { status: 200 })).toMatchObject({ why: 'answers 301 instead of 200' });
  });
});

describe('the probe ends', () => {
  it('with the headers of a page that never ends, and the part of its body that has arrived', async () => {
    const port = await serve((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const beat = setInterval(() => response.write('data: beat\n\n'), 50);
      response.on('close', () => clearInterval(beat));
    });
    const answer = await createProxyAdmin('/nowhere', port).probe(hostname, '/');
    expect(answer).toMatchObject({
      kind: 'answered',
      status: 200,
      body: expect.stringContaining('data: beat'),
    });
  });

  it('at once when a newer push comes', async () => {
    let arrived = () => {};
    const came = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    const port = await serve(() => arrived());
    const abort = new AbortController();
    const answer = createProxyAdmin('/nowhere', port).probe(hostname, '/', { signal: abort.signal });
    await came;
    abort.abort();
    expect(await answer).toMatchObject({ kind: 'silent' });
  });

  it('when a body is larger than the limit', async () => {
    const port = await serve((_, response) => response.end('x'.repeat(5_000_000)));
    const answer = await createProxyAdmin('/nowhere', port).probe(hostname, '/');
    expect(answer.kind === 'answered' && answer.body.length).toBe(16 * 1024);
  });
});
