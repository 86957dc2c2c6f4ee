import { describe, expect, it } from 'vitest';
import type { Container } from '../../host/compose.ts';
import { explainCommand, explainContainer } from '../../host/explain-failure.ts';
import { foldRepeats } from '../../host/fold-repeats.ts';
import { howToSet } from '../../host/how-to-set.ts';
import { explainSilence } from '../../host/judge-answer.ts';
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

  it('names the time limit of a command', () => {
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
  image: 'web',
  imageId: 'sha256:web',
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
  addresses: [],
};
const judge = (changes: Partial<Container>, now = 10_000, isPublic = false, unhealthySince?: number) =>
  judgeContainer({ ...container, ...changes }, { now, unhealthySince, isPublic });

describe('a build that fails without a failing command', () => {
  it('is reported in BuildKit’s words, without their line breaks', () => {
    const output =
      '------\n > [app internal] load metadata for docker.io/library/x:1:\n------\nfailed to solve: rpc error: code = Unknown desc = failed to solve with frontend dockerfile.v0: something never seen before';
    const { sentence, log } = explainCommand({ stage: 'building', output, root: '/app' });
    expect(sentence).toBe('The build of `app` failed: something never seen before.');
    expect(log.at(-1)).toContain('something never seen before');
  });
});

describe('a registry that fails', () => {
  const images = { web: 'nginx:1', cache: 'redis:7' };
  const unreachable =
    'Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io: no such host';
  it.each([
    [
      ` web Pulling \n cache Pulling \n cache Error \n web Interrupted \n${unreachable}`,
      'registry-unreachable',
    ],
    [` Image redis:7 Pulling \n Image redis:7 Error ${unreachable}\n${unreachable}`, 'registry-unreachable'],
    [' cache Error \nsomething never seen before', 'pulling-failed'],
    ['failed to resolve reference "redis:7": redis:7: not found', 'image-not-found'],
  ])('is named with image and service: %s', (output, code) => {
    const failure = explainCommand({ stage: 'pulling', output, root: '/app', images });
    expect(failure).toMatchObject({ code, service: 'cache' });
    expect(failure.sentence).toMatch(/`redis:7`.*`cache`/);
  });

  it('in `FROM` is named with image and service, too', () => {
    const load = '[api internal] load metadata for docker.io/library/node:24';
    const why =
      'failed to resolve source metadata for docker.io/library/node:24: failed to do request: Head "https://registry-1.docker.io/v2/library/node/manifests/24": dial tcp: lookup registry-1.docker.io: no such host';
    const output = `#2 ${load}\n#2 ERROR: ${why}\n------\n > ${load}:\n------\nfailed to solve: node:24: ${why}`;
    const failure = explainCommand({ stage: 'building', output, root: '/app' });
    expect(failure).toMatchObject({ code: 'registry-unreachable', service: 'api' });
    expect(failure.sentence).toContain('`node:24`');
  });

  it('in `FROM` is named in the words of Docker 20.10, and the reason stays in the log', () => {
    const why =
      'failed to do request: Head "https://registry-1.docker.io/v2/library/node/manifests/22-alpine": registry-1.docker.io could not be reached from this machine (lookup: ENOTFOUND)';
    const load = '[app internal] load metadata for docker.io/library/node:22-alpine';
    const output = `#3 ${load}\n#3 ERROR: ${why}\n------\n > ${load}:\n------\nfailed to solve: rpc error: code = Unknown desc = failed to solve with frontend dockerfile.v0: failed to create LLB definition: ${why}`;
    const failure = explainCommand({ stage: 'building', output, root: '/app' });
    expect(failure).toMatchObject({ code: 'registry-unreachable', service: 'app' });
    expect(failure.sentence).toContain('`registry-1.docker.io` of the image `node:22-alpine`');
    expect(failure.log.join('\n')).toContain('could not be reached from this machine');
  });
});

describe('a variable without a value', () => {
  const missing = (name: string) =>
    explainCommand({
      stage: 'planning',
      output: `error while interpolating services.web.environment.X: required variable ${name} is missing a value`,
      root: '/app',
    }).sentence;

  it.each([
    'SESSION_SECRET',
    'DB_PASSWORD',
    'STRIPE_API_KEY',
    'NPM_TOKEN',
    'SECRET_KEY_BASE',
    'DATABASE_URL',
    'APP_KEY',
  ])('that looks like a secret is not to be committed: %s', (name) => {
    expect(missing(name)).toContain(`do not commit a value`);
    expect(missing(name)).toContain(`\`make secret REPO=owner/repo NAME=${name}\``);
    expect(missing(name)).not.toContain('eph.yaml');
  });

  it.each(['LOG_LEVEL', 'PUBLIC_URL', 'KEYBOARD', 'PG'])('is set in eph.yaml: %s', (name) => {
    expect(missing(name)).toMatch(/Set it under `env` in eph\.yaml\.$/);
  });

  it('is listed apart from a secret', () => {
    expect(howToSet(['PORT', 'SESSION_SECRET'])).toBe(
      'Set `PORT` under `env` in eph.yaml. `SESSION_SECRET` looks like a secret: do not commit a value; the operator of Eph sets it with `make secret REPO=owner/repo NAME=SESSION_SECRET`.',
    );
  });
});

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

  it('a server that exited with 0 has failed', () => {
    expect(judge({ state: 'exited' }, 10_000, true)).toEqual({ kind: 'failed', why: 'exited' });
  });
  it('a container that is unhealthy for a minute has failed', () => {
    expect(judge({ health: 'unhealthy' }, 70_000, false, 9_000)).toEqual({
      kind: 'failed',
      why: 'unhealthy',
    });
  });
  it('a service that the primary needs, through any number of steps and in whatever way, is essential', () => {
    const project = {
      services: {
        web: { depends_on: { api: {} } },
        api: { links: ['db:database'] },
        db: { network_mode: 'service:vpn' },
        vpn: {},
        admin: { ports: [{ target: 80, published: '8081' }] },
        worker: { depends_on: { db: {} } },
      },
    };
    expect([...essentialServices(project, 'web')].sort()).toEqual(['api', 'db', 'vpn', 'web']);
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
  it('an exit code of 0 is never reported for a restarted container: a running one has that code', () => {
    const restarting = { ...container, state: 'restarting' as const, restartCount: 4 };
    const log = ['no DATABASE_URL'];
    expect(explainContainer({ ...restarting, exitCode: 0 }, 'restarting', log).sentence).toBe(
      '`web` keeps ending and being restarted. Its last lines are below.',
    );
    expect(explainContainer({ ...restarting, exitCode: 1 }, 'restarting', log).sentence).toContain(
      'keeps ending with code 1 and being restarted',
    );
  });
  it.each([
    ['nothing', []],
    ['empty lines only', ['', '  ']],
  ])('promises no last lines of a container that printed %s', (_what, log) => {
    const exited = { ...container, state: 'exited' as const, exitCode: 1 };
    expect(explainContainer(exited, 'exited', log).sentence).toBe(
      '`web` ended with code 1. It printed nothing.',
    );
    const restarting = { ...container, state: 'restarting' as const, restartCount: 4, exitCode: 1 };
    expect(explainContainer(restarting, 'restarting', log).sentence).toBe(
      '`web` keeps ending with code 1 and being restarted. It printed nothing.',
    );
  });
});

describe('an application that does not answer is explained', () => {
  const verdict = { ok: false as const, answered: false, why: 'does not accept connections' };
  it.each([
    [[{ address: '127.0.0.1', port: 3000 }], 'listens-on-loopback', 'let it listen on 0.0.0.0'],
    [[{ address: '0.0.0.0', port: 5173 }], 'nothing-listens', 'It listens on port 5173'],
    [[], 'nothing-listens', 'It listens on no port'],
    [[{ address: '::', port: 3000 }], 'health-check', 'See `health_check` in eph.yaml'],
    [
      [
        { address: '127.0.0.1', port: 3000 },
        { address: '172.18.0.2', port: 3000 },
      ],
      'health-check',
      'still does not accept connections',
    ],
  ])('by where the container listens: %o', (listening, code, says) => {
    const service = { name: 'web', port: 3000 };
    const failure = explainSilence({ service, path: '/', verdict, seconds: 60, listening, log: [] });
    expect(failure.code).toBe(code);
    expect(failure.sentence).toContain(says);
  });

  it('never by where it listens if it answers: unreadable sockets prove nothing', () => {
    const answers = { ok: false as const, answered: true, why: 'answers 500' };
    const service = { name: 'web', port: 3000 };
    const { code, sentence } = explainSilence({
      service,
      path: '/',
      verdict: answers,
      seconds: 60,
      listening: [],
      log: [],
    });
    expect(code).toBe('health-check');
    expect(sentence).not.toContain('listens on');
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

describe('repeated lines are shown once', () => {
  it.each([
    ['with their number', ['a', 'b', 'b', 'b'], ['a', 'b (x3)']],
    [
      'whatever the time before them',
      ['2026-01-31T10:00:00.1Z db?', '[2026-01-31 10:00:01,2] db?', '10:00:02 db?'],
      ['10:00:02 db? (x3)'],
    ],
    [
      'as a block',
      ['boot', 'at a', 'at b', 'at a', 'at b', 'end'],
      ['boot', 'at a', 'at b', '(these 2 lines x2)', 'end'],
    ],
    ['not where something else is between them', ['a', 'b', 'a'], ['a', 'b', 'a']],
    ['not where a number differs', ['try 1', 'try 2'], ['try 1', 'try 2']],
  ])('%s', (_, lines, folded) => {
    expect(foldRepeats(lines)).toEqual(folded);
  });

  it('so that the line that says why is still there', () => {
    const log = ['DB_HOST is not set', ...Array.from({ length: 100 }, () => 'retrying')];
    const failure = explainContainer({ ...container, state: 'exited', exitCode: 1 }, 'exited', log);
    expect(failure.log).toEqual(['DB_HOST is not set', 'retrying (x100)']);
  });
});
