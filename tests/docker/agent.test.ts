import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AgentMachine, hostname, startAgentMachine } from './agent-machine.ts';

const api = (version: string) => `
const { createServer } = require('node:http');
createServer((request, response) => response.end(JSON.stringify({ version: '${version}', url: request.url, headers: request.headers, env: process.env }))).listen(3000);
`;
const dockerfile = 'FROM node:24\nCOPY server.js /\nCMD ["node", "/server.js"]\n';
const compose = `
services:
  web:
    image: nginx:1
    container_name: shop_web
    ports: ["8080:80"]
    volumes: ["./web:/usr/share/nginx/html:ro"]
    depends_on: { api: { condition: service_healthy }, migrate: { condition: service_completed_successfully } }
  api:
    build: ./api
    ports: ["3000:3000"]
    environment: { WEB_URL: "\${EPH_URL_WEB}", MODE: own }
    healthcheck: { test: ["CMD", "node", "-e", "fetch('http://127.0.0.1:3000').catch(() => process.exit(1))"], interval: 500ms, retries: 30 }
  migrate:
    image: busybox:1
    command: sh -c 'echo migrated; date >> /data/runs'
    volumes: ["./data:/data"]
  cache:
    image: busybox:1
    command: sh -c 'sleep 100000'
    ports: ["6379:6379"]
`;
const files = (version: string) => ({
  'compose.yaml': compose,
  'web/index.html': `page ${version}`,
  'api/Dockerfile': dockerfile,
  'api/server.js': api(version),
});

describe('the agent on a machine', () => {
  let machine: AgentMachine;

  beforeAll(async () => {
    machine = await startAgentMachine(['caddy:2', 'nginx:1', 'node:24', 'busybox:1']);
    machine.spec(files('one'), { settings: { env: { MODE: 'eph', FEATURE: 'on' } } });
    await machine.start(true);
  });
  afterAll(async () => {
    await machine?.close();
  });

  it('fetches the agent, builds and starts the deployment spec, and reports it ready', async () => {
    const result = await machine.resultOf(1);
    expect(result).toMatchObject({
      outcome: 'ready',
      sha: '1'.padStart(40, '0'),
      serving: { generation: 1 },
    });
    expect(result.services).toEqual([
      { name: 'web', port: 80, hostname, path: '/', primary: true },
      { name: 'api', port: 3000, hostname: 'api--shop-pr.eph.localhost', path: '/api', primary: false },
    ]);
    expect(Object.keys(result.timings)).toEqual([
      'fetching',
      'planning',
      'pulling',
      'building',
      'starting',
      'checking',
    ]);
    expect(machine.progress()).toMatchObject({ generation: 1, revision: 1, services: result.services });
    expect(machine.log()).toContain('[building]');
    expect(machine.log()).not.toContain('secret-archive-token');
  });

  it('routes by path and by hostname, and hides private headers from the application', async () => {
    expect(await machine.get('/')).toMatch(/200 OK[\s\S]*page one$/);
    const answer = await machine.get(
      '/api/x?y=1',
      hostname,
      'Cf-Access-Jwt-Assertion: token',
      'Cookie: CF_Authorization=a; sid=1',
      'Cf-Connecting-Ip: 203.0.113.9',
    );
    const seen = JSON.parse(answer.slice(answer.indexOf('{')));
    expect(seen).toMatchObject({
      version: 'one',
      url: '/x?y=1',
      headers: {
        'x-forwarded-proto': 'https',
        'x-forwarded-for': '203.0.113.9',
        'x-forwarded-prefix': '/api',
        cookie: 'sid=1',
      },
      env: {
        EPH: '1',
        EPH_URL: `https://${hostname}`,
        EPH_URL_API: `https://${hostname}/api`,
        EPH_INTERNAL_URL_WEB: 'http://web:80',
        WEB_URL: `https://${hostname}`,
        MODE: 'own',
        FEATURE: 'on',
      },
    });
    expect(seen.headers).not.toHaveProperty('cf-access-jwt-assertion');
    expect(await machine.get('/y', 'api--shop-pr.eph.localhost')).toContain('"url":"/y"');
    expect(await machine.get('/', 'other.localhost')).toMatch(/404 Not Found[\s\S]*X-Eph: unknown-host/i);
    expect(
      (await machine.on('docker ps --format "{{.Ports}}" | grep -v 127.0.0.1:8080 | grep -- "->" || true'))
        .stdout,
    ).toBe('');
  });

  it('deploys the next generation when notified, and restarts only what changed', async () => {
    const before = await machine.on('docker ps --no-trunc --format "{{.Names}} {{.ID}}" | sort');
    const generation = machine.spec({ ...files('one'), 'web/index.html': 'page two' });
    await machine.notify();
    expect(await machine.resultOf(generation)).toMatchObject({ outcome: 'ready' });
    expect(await machine.get('/')).toContain('page two');
    const after = await machine.on('docker ps --no-trunc --format "{{.Names}} {{.ID}}" | sort');
    const ids = (text: string) =>
      Object.fromEntries(
        text
          .trim()
          .split('\n')
          .map((line) => line.split(' ')),
      );
    expect(ids(after.stdout)['eph-eph-proxy-1']).toBe(ids(before.stdout)['eph-eph-proxy-1']);
    expect(ids(after.stdout)['eph-cache-1']).toBe(ids(before.stdout)['eph-cache-1']);
    expect(ids(after.stdout)['eph-web-1']).not.toBe(ids(before.stdout)['eph-web-1']);
  });

  it.each([
    ['agent', 'pgrep -f "[/]run/eph/agent/"'],
    ['engine', 'cat /run/docker.pid'],
  ])('answers again by itself when its %s was killed', async (_, find) => {
    const pid = async () => (await machine.on(find)).stdout.trim();
    const killed = await pid();
    const startedAt = Date.now();
    await machine.on(`kill -KILL ${killed}`);
    await expect.poll(pid, { timeout: 60_000 }).toMatch(new RegExp(`^(?!${killed}$)\\d+$`));
    // An agent that starts reports what it serves.
    expect(await machine.resultOf(2, startedAt)).toMatchObject({ outcome: 'ready' });
    expect(await machine.get('/')).toMatch(/200 OK[\s\S]*page two$/);
  });

  it('keeps serving the previous generation when a build fails, and says where it failed', async () => {
    const generation = machine.spec({
      ...files('three'),
      'api/Dockerfile': `${dockerfile}RUN echo about to fail && exit 3\n`,
    });
    await machine.notify();
    const result = await machine.resultOf(generation);
    expect(result).toMatchObject({ outcome: 'failed', serving: { generation: 2 } });
    expect(result.failure).toMatchObject({ code: 'build-failed', service: 'api' });
    expect(result.failure?.sentence).toBe(
      'The build of `api` failed at `RUN echo about to fail && exit 3` with exit code 3.',
    );
    expect(result.failure?.log.join('\n')).toContain('about to fail');
    expect(await machine.get('/')).toContain('page two');
  });

  it('stops a build within 2 s when a newer generation comes', async () => {
    const slow = machine.spec({ ...files('four'), 'api/Dockerfile': `${dockerfile}RUN sleep 300\n` });
    await machine.notify();
    await expect.poll(() => machine.log(), { timeout: 30_000 }).toContain('sleep 300');
    const generation = machine.spec(files('five'));
    const written = Date.now();
    expect(await machine.resultOf(slow)).toMatchObject({ outcome: 'superseded', serving: { generation: 2 } });
    expect(Date.now() - written).toBeLessThan(5_000);
    expect(await machine.resultOf(generation)).toMatchObject({ outcome: 'ready' });
    expect(await machine.get('/api/')).toContain('"version":"five"');
  });

  it('starts the deployment on the disk when it is switched on again, with its data', async () => {
    const runs = async () => (await machine.on('cat "$EPH_ROOT"/app/data/runs | wc -l')).stdout.trim();
    const before = Number(await runs());
    const newest = machine.result();
    const stoppedAt = Date.now();
    await machine.stop();
    await machine.start(false);
    expect(await machine.resultOf(newest?.generation ?? 0, stoppedAt)).toMatchObject({
      outcome: 'ready',
      serving: { generation: newest?.generation },
    });
    expect(await machine.get('/api/')).toContain('"version":"five"');
    expect(Number(await runs())).toBeGreaterThanOrEqual(before);
  });

  it('names the service that ended and shows its last lines', async () => {
    const generation = machine.spec({
      ...files('six'),
      'api/server.js': 'console.error("DATABASE_URL is not set"); process.exit(4);',
    });
    await machine.notify();
    const { failure } = await machine.resultOf(generation);
    expect(failure).toMatchObject({ service: 'api' });
    expect(failure?.log.join('\n')).toContain('DATABASE_URL is not set');
  });

  it('says where a service listens when it is not the declared port', async () => {
    const generation = machine.spec(
      {
        'compose.yaml':
          'services: { web: { image: node:24, command: ["node", "-e", "require(\'http\').createServer().listen(4100)"], ports: ["80:3000"] } }',
      },
      { settings: { health_check: { path: '/', timeout: 6, interval: 1 } } },
    );
    await machine.notify();
    const { failure } = await machine.resultOf(generation);
    expect(failure?.code).toBe('nothing-listens');
    expect(failure?.sentence).toContain('It listens on port 4100');
  });

  it('starts without a companion whose image or build is not available, and leaves it out after a restart too', async () => {
    const generation = machine.spec({
      'compose.yaml':
        'services: { web: { image: nginx:1, pull_policy: always, ports: ["80"] }, board: { image: "private/board:1" }, worker: { build: ./worker } }',
      'worker/Dockerfile': `${dockerfile.split('\n')[0]}\nRUN exit 3\n`,
    });
    await machine.notify();
    const result = await machine.resultOf(generation);
    expect(result).toMatchObject({ outcome: 'ready' });
    const left = result.warnings.filter((warning) => warning.includes('was left out'));
    expect(left).toEqual([
      expect.stringMatching(/^`board` was left out: .*private\/board/),
      expect.stringMatching(/^`worker` was left out: .*`RUN exit 3` with exit code 3/),
    ]);
    const stoppedAt = Date.now();
    await machine.stop();
    await machine.start(false);
    expect(await machine.resultOf(generation, stoppedAt)).toMatchObject({ outcome: 'ready' });
    const names = await machine.on('docker ps --format "{{.Names}}" | sort');
    expect(names.stdout.trim().split('\n')).toEqual(['eph-eph-proxy-1', 'eph-web-1']);
  });

  it('says that a service speaks TLS where plain HTTP is expected', async () => {
    const pem = (name: string) => readFileSync(join(import.meta.dirname, '../fixtures/tls', name), 'utf8');
    const server =
      "const [key, cert] = ['key', 'certificate'].map((name) => require('node:fs').readFileSync('/tls/' + name + '.pem')); require('node:https').createServer({ key, cert }, (_, answer) => answer.end('hello')).listen(4000);";
    const generation = machine.spec(
      {
        'compose.yaml':
          'services: { web: { image: node:24, command: ["node", "/tls/server.js"], volumes: ["./tls:/tls:ro"], ports: ["4000"] } }',
        'tls/server.js': server,
        'tls/key.pem': pem('key.pem'),
        'tls/certificate.pem': pem('certificate.pem'),
      },
      { settings: { health_check: { path: '/', timeout: 8, interval: 1 } } },
    );
    await machine.notify();
    const { failure } = await machine.resultOf(generation);
    expect(failure).toMatchObject({ code: 'speaks-tls', service: 'web' });
    expect(failure?.sentence).toContain('let it speak HTTP there');
  });

  it.each([
    [
      'an external network',
      'services: { web: { image: busybox:1, ports: ["80"], networks: [shared] } }\nnetworks: { shared: { external: true } }',
      'network-missing',
      'The network `shared` is `external`',
    ],
    [
      'a secret whose file is missing',
      'services: { web: { image: busybox:1, ports: ["80"], secrets: [key] } }\nsecrets: { key: { file: ./key.txt } }',
      'mount-missing',
      '`key.txt` is mounted',
    ],
    [
      'a health check that never passes',
      'services: { web: { image: busybox:1, command: ["sleep", "1000"], ports: ["80"], depends_on: { db: { condition: service_healthy } } }, db: { image: busybox:1, command: ["sh", "-c", "echo starting; sleep 1000"], healthcheck: { test: "echo no route; exit 1", interval: 200ms, retries: 2 } } }',
      'dependency-failed',
      '`db`, which other services wait for, never passed its health check',
    ],
  ])('explains %s', async (_, text, code, says) => {
    const generation = machine.spec({ 'compose.yaml': text });
    await machine.notify();
    const { failure } = await machine.resultOf(generation);
    expect(failure).toMatchObject({ code, sentence: expect.stringContaining(says) });
  });
});
