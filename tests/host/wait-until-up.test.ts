import { describe, expect, it } from 'vitest';
import type { Installed } from '../../host/agent-disk.ts';
import type { Container } from '../../host/compose.ts';
import type { Answer } from '../../host/judge-answer.ts';
import type { ListeningSocket } from '../../host/listening-sockets.ts';
import { type WaitDeps, waitUntilUp } from '../../host/wait-until-up.ts';
import { unusedCompose } from './compose-fixtures.ts';

const service = (name: string, port: number, primary: boolean) => ({
  name,
  port,
  primary,
  hostname: primary ? 'shop.example.dev' : `${name}--shop.example.dev`,
  path: primary ? '/' : `/${name}`,
  upstream: `${name}:${port}`,
  tls: false,
  stripPrefix: false,
  networks: [],
});
const installed: Installed = {
  generation: 1,
  sha: 'a'.repeat(40),
  hostname: 'shop.example.dev',
  url: 'https://shop.example.dev',
  call: { folder: '/app', files: [], envFiles: [] },
  services: [service('web', 3000, true), service('admin', 4000, false)],
  essential: ['web'],
  healthCheck: { path: '/', timeout: 300, interval: 2 },
};
const container = (name: string): Container => ({
  id: name,
  service: name,
  image: name,
  imageId: name,
  state: 'running',
  exitCode: 0,
  oomKilled: false,
  error: '',
  startedAt: -60_000,
  restartCount: 0,
  restartPolicy: 'no',
  health: 'none',
  healthOutput: '',
  pid: 1,
  addresses: ['172.18.0.2'],
});
const page = (
  status: number,
  more: { body?: string; location?: string; byProxy?: boolean } = {},
): Answer => ({
  kind: 'answered',
  status,
  byProxy: false,
  body: 'hello',
  ...more,
});
const refusedConnection = page(502, { byProxy: true });
const loopback = [{ address: '127.0.0.1', port: 3000 }];

/** Time passes only while it sleeps. */
async function wait(scenario: {
  answer(at: number, hostname: string, path: string): Answer;
  listening?: (at: number) => ListeningSocket[];
  speaksTls?: boolean;
  containers?: Container[];
  healthCheck?: Partial<Installed['healthCheck']>;
}) {
  let now = 0;
  const said: { at: number; sentence: string; soon: boolean }[] = [];
  const unused = () => Promise.reject(new Error('nothing is started here'));
  const deps: WaitDeps = {
    compose: {
      ...unusedCompose,
      containers: async () => scenario.containers ?? [container('web'), container('admin')],
      logs: async () => [],
    },
    proxy: {
      load: unused,
      openRequests: unused,
      probe: async (hostname, path) => scenario.answer(now, hostname, path),
    },
    now: () => now,
    sleep: async (ms) => {
      now += ms;
    },
    listening: async () => scenario.listening?.(now) ?? [],
    speaksTls: async (address, port) =>
      scenario.speaksTls === true && address === '172.18.0.2' && port === 3000,
  };
  const settings = { ...installed, healthCheck: { ...installed.healthCheck, ...scenario.healthCheck } };
  const outcome = await waitUntilUp(settings, deps, new AbortController().signal, (sentence, soon) =>
    said.push({ at: now, sentence, soon }),
  );
  return { outcome, said, seconds: now / 1_000 };
}

describe('waiting for a page', () => {
  it('reports after 10 s that a service listens on loopback only, and ends after a minute', async () => {
    const { outcome, said, seconds } = await wait({
      answer: () => refusedConnection,
      listening: () => loopback,
    });
    const soon = said.find((word) => word.soon);
    expect(soon).toMatchObject({ at: 10_000, sentence: expect.stringContaining('let it listen on 0.0.0.0') });
    expect(outcome).toMatchObject({
      kind: 'failed',
      failure: { code: 'listens-on-loopback', service: 'web' },
    });
    expect(seconds).toBe(60);
  });

  it('reports that a service speaks TLS when it is asked in plain HTTP, whether it says so or closes the connection', async () => {
    const open = [{ address: '0.0.0.0', port: 3000 }];
    const hangsUp = { answer: () => refusedConnection, listening: () => open, speaksTls: true };
    const body = 'Client sent an HTTP request to an HTTPS server.';
    for (const scenario of [hangsUp, { answer: () => page(400, { body }) }]) {
      const { outcome, said, seconds } = await wait(scenario);
      expect(said.find((word) => word.soon)).toMatchObject({
        at: 10_000,
        sentence: expect.stringContaining('`web` speaks TLS'),
      });
      expect(outcome).toMatchObject({ kind: 'failed', failure: { code: 'speaks-tls', service: 'web' } });
      expect(seconds).toBe(60);
    }
    // Plain HTTP that is not ready yet is waited for as before.
    const { outcome } = await wait({ ...hangsUp, speaksTls: false });
    expect(outcome).toMatchObject({ failure: { code: 'health-check' } });
  });

  it('lets a service prepare itself on loopback before it opens its port', async () => {
    const { outcome } = await wait({
      answer: (at) => (at < 50_000 ? refusedConnection : page(200)),
      listening: () => loopback,
    });
    expect(outcome).toMatchObject({ kind: 'up', warnings: [] });
  });

  it.each([
    [
      'refuses the hostname',
      page(403, { body: 'Blocked request. This host is not allowed.' }),
      'host-refused',
    ],
    ['redirects to localhost', page(302, { location: 'http://localhost:3000/' }), 'redirect-nowhere'],
    ['redirects to itself', page(301, { location: 'https://shop.example.dev/' }), 'redirect-loop'],
  ])('ends after a minute where it %s: no waiting changes that', async (_, answer, code) => {
    const { outcome, seconds } = await wait({ answer: () => answer });
    expect(outcome).toMatchObject({ kind: 'failed', failure: { code } });
    expect(seconds).toBe(60);
  });

  it('waits the whole time for what may still come, and says until when', async () => {
    const { outcome, said, seconds } = await wait({ answer: () => page(503) });
    expect(seconds).toBe(300);
    expect(said[0]).toEqual({
      at: 0,
      sentence: '`web` answers 503 at `/`, waiting until 00:05 UTC',
      soon: false,
    });
    expect(said.some((word) => word.soon)).toBe(false);
    expect(outcome).toMatchObject({ failure: { code: 'health-check' } });
  });

  it('does not end while the container is not up, even if something answers', async () => {
    const { outcome } = await wait({ answer: () => page(200), containers: [container('admin')] });
    expect(outcome).toMatchObject({ kind: 'failed', failure: { code: 'start-timeout' } });
  });

  it('warns of a further page that nobody can open', async () => {
    const { outcome } = await wait({
      answer: (_, hostname) =>
        hostname.startsWith('admin') ? page(302, { location: 'http://localhost:4000/' }) : page(200),
    });
    expect(outcome).toMatchObject({
      kind: 'up',
      warnings: [expect.stringMatching(/^`admin` at `\/`: redirects/)],
    });
  });

  it('warns of `/` where the health check looks at another page', async () => {
    const { outcome } = await wait({
      answer: (_, hostname, path) =>
        path === '/' && hostname === installed.hostname
          ? page(302, { location: 'http://localhost:3000/' })
          : page(200),
      healthCheck: { path: '/healthz' },
    });
    expect(outcome).toMatchObject({
      kind: 'up',
      warnings: [expect.stringMatching(/^`web` at `\/`: redirects/)],
    });
  });
});
