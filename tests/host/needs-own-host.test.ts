import { describe, expect, it } from 'vitest';
import type { Answer } from '../../host/judge-answer.ts';
import { markOwnHosts, usesRoot } from '../../host/needs-own-host.ts';

const service = (name: string, stripPrefix: boolean) => ({
  name,
  port: 80,
  hostname: `${name}--main`,
  path: `/${name}`,
  primary: false,
  upstream: `${name}:80`,
  tls: false,
  stripPrefix,
  networks: [],
});
const page = (body: string): Answer => ({ kind: 'answered', status: 200, byProxy: false, body });

describe('a page that the proxy serves under a prefix', () => {
  it.each([
    ['<script type="module" src="/assets/index.js"></script>', true],
    ["<link rel=stylesheet href='/main.css'>", true],
    ['<base href="/">', true],
    ['<script src="assets/index.js"></script>', false],
    ['<script src="//cdn.example/x.js"></script>', false],
    ['<a href="/login">', false],
    ['{"src": "/x"}', false],
  ])('works only at its own host name if it loads things from the root: %s', (body, needs) => {
    expect(usesRoot(body)).toBe(needs);
  });

  it('is marked, unless it sees its prefix, does not answer or is known to be silent', async () => {
    const bodies: Record<string, Answer> = {
      'admin--main': page('<script src="/a.js">'),
      'api--main': page('<script src="/a.js">'),
      'down--main': { kind: 'answered', status: 502, byProxy: true, body: '<script src="/a.js">' },
    };
    const asked: string[] = [];
    const probe = async (hostname: string): Promise<Answer> => {
      asked.push(hostname);
      return bodies[hostname] ?? { kind: 'silent', problem: 'reset' };
    };
    const marked = await markOwnHosts(
      [service('admin', true), service('api', false), service('down', true), service('gone', true)],
      new Set(['gone']),
      { probe },
      new AbortController().signal,
    );
    expect(marked.filter(({ ownHost }) => ownHost).map(({ name }) => name)).toEqual(['admin']);
    expect(asked).toEqual(['admin--main', 'down--main']);
  });
});
