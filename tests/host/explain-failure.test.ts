import { describe, expect, it } from 'vitest';
import type { Container } from '../../host/compose.ts';
import { explainCommand, explainContainer } from '../../host/explain-failure.ts';
import { explainSilence, judgeAnswer } from '../../host/judge-answer.ts';
import { essentialServices, judgeContainer } from '../../host/judge-containers.ts';
import type { FailedCommand } from '../../host/known-errors.ts';
import { listeningSockets } from '../../host/listening-sockets.ts';

const rows: [stage: FailedCommand['stage'], output: string, code: string, says: string, service?: string][] =
  [
    [
      'pulling',
      'Error response from daemon: manifest for nginx:9.9 not found: manifest unknown',
      'image-not-found',
      'The image `nginx:9.9` does not exist',
    ],
    [
      'pulling',
      'failed to resolve reference "docker.io/acme/web:1": docker.io/acme/web:1: not found',
      'image-not-found',
      '`docker.io/acme/web:1`',
    ],
    [
      'pulling',
      "Error response from daemon: pull access denied for acme/private, repository does not exist or may require 'docker login'",
      'image-denied',
      'The image `acme/private` does not exist, or is private',
    ],
    ['pulling', 'toomanyrequests: You have reached your pull rate limit.', 'registry-limit', 'rate limit'],
    [
      'pulling',
      'no matching manifest for linux/amd64 in the manifest list entries',
      'image-platform',
      '`linux/amd64`',
    ],
    [
      'pulling',
      'Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io: no such host',
      'registry-unreachable',
      'The registry `registry-1.docker.io` could not be reached',
    ],
    ['pulling', 'unexpected EOF', 'registry-unreachable', 'A registry could not be reached'],
    ['planning', 'empty compose file', 'compose-empty', 'The compose file is empty'],
    [
      'pulling',
      'write /var/lib/docker/tmp/x: no space left on device',
      'disk-full',
      "preview's disk is full",
    ],
    [
      'building',
      '#5 [api 2/3] RUN npm ci\n------\n > [api 2/3] RUN npm ci:\n0.421 npm ERR! missing lock\n------\nfailed to solve: process "/bin/sh -c npm ci" did not complete successfully: exit code: 1',
      'build-failed',
      'The build of `api` failed at `RUN npm ci` with exit code 1.',
      'api',
    ],
    [
      'building',
      '------\n > [api build 2/3] RUN make:\n------\nfailed to solve: process "make" did not complete successfully: exit code: 137',
      'build-out-of-memory',
      'ran out of memory',
      'api',
    ],
    [
      'building',
      'failed to solve: failed to read dockerfile: open Dockerfile.dev: no such file or directory',
      'dockerfile-missing',
      '`Dockerfile.dev` is not in the repository',
    ],
    ['building', 'unable to prepare context: path "/root/api" not found', 'context-missing', '`/root/api`'],
    ['building', 'failed to solve: target stage "dev" could not be found', 'build-target', 'no stage `dev`'],
    [
      'building',
      '------\n > [web 2/2] COPY dist /srv:\n------\nfailed to solve: failed to compute cache key: failed to calculate checksum of ref abc::def: "/dist": not found',
      'copy-missing',
      'copies `/dist`',
      'web',
    ],
    [
      'building',
      'failed to solve: failed to compute cache key: "/nope.txt" not found: not found',
      'copy-missing',
      'copies `/nope.txt`',
    ],
    [
      'building',
      'failed to solve: node:99: failed to resolve source metadata for docker.io/library/node:99: docker.io/library/node:99: not found',
      'base-image',
      '`docker.io/library/node:99`',
    ],
    [
      'starting',
      'network shared declared as external, but could not be found',
      'network-missing',
      'The network `shared` is `external`',
    ],
    ['starting', 'external volume "media" not found', 'volume-missing', 'The volume `media` is `external`'],
    [
      'starting',
      'Error response from daemon: invalid mount config for type "bind": bind source path does not exist: /app/key.txt',
      'mount-missing',
      '`key.txt` is mounted',
    ],
    [
      'starting',
      'Error response from daemon: driver failed: Bind for 127.0.0.1:8080 failed: port is already allocated',
      'port-in-use',
      'Port 8080',
    ],
    [
      'starting',
      'dependency failed to start: container eph-db-1 is unhealthy',
      'dependency-failed',
      '`db`, which other services wait for, never passed its health check',
      'db',
    ],
    [
      'starting',
      'service "migrate" didn\'t complete successfully: exit 3',
      'dependency-failed',
      '`migrate`, which other services wait for, ended with code 3',
      'migrate',
    ],
    [
      'starting',
      'OCI runtime create failed: exec: "./start.sh": permission denied: unknown',
      'command-missing',
      '`./start.sh`',
    ],
    [
      'starting',
      'failed to create network: Pool overlaps with other one on this address space',
      'address-pool',
      '`ipam`',
    ],
    [
      'starting',
      'Cannot connect to the Docker daemon at unix:///run/docker.sock.',
      'no-engine',
      "Eph's fault",
    ],
    [
      'starting',
      'something never seen before',
      'starting-failed',
      'The containers could not be started: something never seen before',
    ],
  ];

describe('what docker says becomes a sentence', () => {
  it.each(rows)('%s: %s', (stage, output, code, says, service) => {
    const failure = explainCommand({ stage, output, root: '/app' });
    expect(failure.code).toBe(code);
    expect(failure.sentence).toContain(says);
    expect(failure.service).toBe(service);
  });

  it.each([
    [['compose.yaml'], 'The compose file `compose.yaml` is not valid YAML (line 2): did not find'],
    [
      ['a.yml', 'b.yml'],
      'One of the compose files `a.yml`, `b.yml` is not valid YAML (line 2): did not find',
    ],
  ])('names the files that compose does not name: %j', (files, says) => {
    const output = 'yaml: line 2: did not find expected node content';
    const { sentence } = explainCommand({ stage: 'planning', output, root: '/app', files });
    expect(sentence).toContain(says);
  });

  it('shows the lines of the step that failed, not the noise around it', () => {
    const output =
      '#1 noise\n------\n > [api 2/3] RUN npm ci:\n0.421 npm ERR! missing lock\n------\nfailed to solve: process "x" did not complete successfully: exit code: 1';
    expect(explainCommand({ stage: 'building', output, root: '/app' }).log).toEqual([
      'npm ERR! missing lock',
    ]);
  });

  it('names the time that a command was given', () => {
    const failure = explainCommand({
      stage: 'building',
      output: '',
      root: '/app',
      timedOutAfterMs: 45 * 60_000,
    });
    expect(failure).toMatchObject({
      code: 'building-timeout',
      sentence: 'The build did not finish within 45 minutes.',
    });
  });
});

const container: Container = {
  id: 'c',
  service: 'web',
  state: 'running',
  exitCode: 0,
  oomKilled: false,
  error: '',
  startedAt: 0,
  restartCount: 0,
  restartPolicy: 'no',
  health: 'none',
  healthOutput: '',
  pid: 1,
};
const judge = (changes: Partial<Container>, now = 10_000, isPublic = false, unhealthySince?: number) =>
  judgeContainer({ ...container, ...changes }, { now, unhealthySince, isPublic });

describe('containers are judged', () => {
  it.each<[string, Partial<Container>, string]>([
    ['running for 3 s', {}, 'up'],
    ['just started', { startedAt: 9_000 }, 'waiting'],
    ['healthy', { health: 'healthy', startedAt: 9_900 }, 'up'],
    ['health check still starting', { health: 'starting' }, 'waiting'],
    ['unhealthy for a moment', { health: 'unhealthy' }, 'waiting'],
    ['a job that exited 0', { state: 'exited' }, 'up'],
    ['a job with restart: on-failure that exited 0', { state: 'exited', restartPolicy: 'on-failure' }, 'up'],
    ['restart: always that exited 0', { state: 'exited', restartPolicy: 'always' }, 'failed'],
    ['exited 1', { state: 'exited', exitCode: 1 }, 'failed'],
    ['exited 1, to be restarted', { state: 'exited', exitCode: 1, restartPolicy: 'always' }, 'waiting'],
    ['restarting for the third time', { state: 'restarting', restartCount: 3 }, 'failed'],
    [
      'killed for memory',
      { state: 'exited', exitCode: 137, oomKilled: true, restartPolicy: 'always' },
      'failed',
    ],
    ['never started', { state: 'created', error: 'port is already allocated' }, 'failed'],
    ['waiting for a dependency', { state: 'created' }, 'waiting'],
  ])('%s', (_, changes, kind) => {
    expect(judge(changes).kind).toBe(kind);
  });

  it('a server that exited 0 has failed', () => {
    expect(judge({ state: 'exited' }, 10_000, true)).toEqual({ kind: 'failed', why: 'exited' });
  });
  it('unhealthy for a minute is failed', () => {
    expect(judge({ health: 'unhealthy' }, 70_000, false, 9_000)).toEqual({
      kind: 'failed',
      why: 'unhealthy',
    });
  });
  it('what public services depend on, through any number of steps, is essential', () => {
    const project = {
      services: {
        web: { depends_on: { api: {} } },
        api: { depends_on: { db: {} } },
        db: {},
        worker: { depends_on: { db: {} } },
      },
    };
    expect([...essentialServices(project, ['web'])].sort()).toEqual(['api', 'db', 'web']);
  });
  it('explains an exit with its code and last lines', () => {
    const failure = explainContainer({ ...container, state: 'exited', exitCode: 127 }, 'exited', [
      'sh: rails: not found',
    ]);
    expect(failure).toEqual({
      code: 'container-exited',
      service: 'web',
      log: ['sh: rails: not found'],
      sentence: '`web` ended with code 127 (its command was not found). Its last lines are below.',
    });
  });
  it('never says that what is restarted ended with code 0: that is what a running one has', () => {
    const restarting = { ...container, state: 'restarting' as const, restartCount: 4 };
    expect(explainContainer({ ...restarting, exitCode: 0 }, 'restarting', []).sentence).toBe(
      '`web` keeps ending and being restarted. Its last lines are below.',
    );
    expect(explainContainer({ ...restarting, exitCode: 1 }, 'restarting', []).sentence).toContain(
      'keeps ending with code 1 and being restarted',
    );
  });
});

describe('answers are judged', () => {
  const check = { path: '/', timeout: 300, interval: 2 };
  const answered = (status: number, body = '', byProxy = false) => ({
    kind: 'answered' as const,
    status,
    body,
    byProxy,
  });
  it.each([
    [answered(200), check, true],
    [answered(302), check, true],
    [answered(404), check, true],
    [answered(500), check, false],
    [answered(502, '', true), check, false],
    [answered(200), { ...check, status: 204 }, false],
    [answered(503), { ...check, status: 503 }, true],
    [answered(403, 'Invalid Host header'), check, false],
    [answered(403, 'Blocked request. This host ("x") is not allowed.'), check, false],
    [{ kind: 'silent' as const, problem: 'ECONNREFUSED' }, check, false],
  ])('%o', (answer, settings, ok) => {
    expect(judgeAnswer(answer, settings).ok).toBe(ok);
  });

  it.each([
    [[{ address: '127.0.0.1', port: 3000 }], 'listens-on-loopback', 'let it listen on 0.0.0.0'],
    [[{ address: '0.0.0.0', port: 5173 }], 'nothing-listens', 'It listens on port 5173'],
    [[], 'nothing-listens', 'It listens on no port'],
    [[{ address: '::', port: 3000 }], 'health-check', 'See `health_check` in eph.yaml'],
  ])('silence is explained by where the container listens: %o', (listening, code, says) => {
    const failure = explainSilence({ name: 'web', port: 3000 }, '/', 'answers 500', 60, listening, []);
    expect(failure.code).toBe(code);
    expect(failure.sentence).toContain(says);
  });

  it('reads where a process listens from the kernel', () => {
    const table = `  sl  local_address rem_address   st
   0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000
   1: 00000000:1435 00000000:0000 0A 00000000:00000000
   2: 0B00007F:9C41 00000000:0000 0A 00000000:00000000
   3: 0100007F:0BB8 0100007F:AAAA 01 00000000:00000000
   4: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 0
   5: 00000000000000000000000001000000:0051 00000000000000000000000000000000:0000 0A 0
`;
    expect(listeningSockets(table)).toEqual([
      { address: '127.0.0.1', port: 3000 },
      { address: '0.0.0.0', port: 5173 },
      { address: '::', port: 80 },
      { address: '::1', port: 81 },
    ]);
  });
});
