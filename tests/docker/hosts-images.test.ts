import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createNetwork, type HostNetwork } from '../../local/hosts/create-network.ts';
import { type Hosts, startHosts } from '../../local/hosts/start-hosts.ts';
import { type Registry, startRegistry } from '../../local/images/start-registry.ts';

const root = join(import.meta.dirname, '../..');

/** What compose files of real projects ask of the official images. */
const FILES = {
  'compose.yaml': `
services:
  web:
    build: { context: ., args: { GREETING: hello } }
    healthcheck: { test: "wget -qO- http://localhost:3000/ || exit 1", interval: 300ms, timeout: 2s, retries: 50 }
  db:
    image: postgres:15
    environment: { POSTGRES_USER: shop, POSTGRES_DB: shop, POSTGRES_PASSWORD_FILE: /run/secrets/word }
    secrets: [word]
    volumes: ['db:/var/lib/postgresql/data', './init:/docker-entrypoint-initdb.d:ro']
    healthcheck: { test: ["CMD-SHELL", "pg_isready -h localhost -U shop -d shop"], interval: 300ms, timeout: 2s, retries: 50 }
  site:
    image: nginx:1
    environment: { WHO: world }
    volumes: ['./html:/usr/share/nginx/html:ro', './templates:/etc/nginx/templates:ro']
    healthcheck: { test: ["CMD", "curl", "-f", "http://localhost/"], interval: 300ms, timeout: 2s, retries: 50 }
  proxy:
    image: caddy:2
    volumes: ['./Caddyfile:/etc/caddy/Caddyfile:ro']
    ports: ['127.0.0.1:8080:80']
volumes: { db: {} }
secrets: { word: { file: ./word } }
`,
  Dockerfile: `
FROM node:24-alpine
ARG GREETING
WORKDIR /app
COPY package*.json ./
RUN npm ci
RUN apt-get update && apt-get install -y --no-install-recommends tini
COPY --chown=node:node . .
RUN node -e "require('fs').writeFileSync('greeting', process.argv[1])" "$GREETING" && groupadd -r app && useradd -r -g app app
USER node
ENTRYPOINT ["tini", "--", "node"]
CMD ["server.js"]
`,
  'server.js':
    "require('http').createServer((_, r) => r.end(require('ms')(60000) + ' ' + require('fs').readFileSync('greeting') + ' uid ' + process.getuid())).listen(3000)",
  'package.json': JSON.stringify({ name: 'web', version: '1.0.0', dependencies: { ms: '2.1.3' } }),
  'package-lock.json': JSON.stringify({
    name: 'web',
    version: '1.0.0',
    lockfileVersion: 3,
    packages: {
      '': { name: 'web', version: '1.0.0', dependencies: { ms: '2.1.3' } },
      'node_modules/ms': {
        version: '2.1.3',
        integrity:
          'sha512-6FlzubTLZG3J2a/NVCAleEhjzq5oxgHyaCU9yYXvcLsvoVaHJq/s5xXI6/XXP6tz7R9xAOtHnSO/tXtF3WRTlA==',
      },
    },
  }),
  word: 's3cret',
  'init/1.sql': 'create table things (n int); insert into things values (42);',
  'init/2.sh': 'psql -U shop shop -c "insert into things values (43)"',
  'html/index.html': 'a static page',
  'templates/default.conf.template':
    'server { listen 80; root /usr/share/nginx/html; location /who { return 200 "$host greets $WHO"; } }',
  Caddyfile: ':80 {\n handle_path /site/* {\n  reverse_proxy site:80\n }\n reverse_proxy web:3000\n}\n',
};

describe('base images of the local registry', () => {
  let temp: string;
  let network: HostNetwork;
  let registry: Registry;
  let hosts: Hosts;

  async function on(script: string): Promise<string> {
    const done = await hosts.run('i-images', `cd /run/eph; ${script}`, {}, AbortSignal.timeout(600_000));
    expect(done.code, `${script}\n${done.stdout}${done.stderr}`).toBe(0);
    return done.stdout.trim();
  }

  beforeAll(async () => {
    temp = await mkdtemp(join(tmpdir(), 'eph-images-'));
    const dir = join(temp, 'hosts');
    network = await createNetwork(dir);
    registry = await startRegistry({ dir: join(root, '.tools/registry'), address: network.address });
    const url = `http://${network.address}:1`;
    const addresses = { registryUrl: registry.url, edgeUrl: url, awsUrl: url };
    hosts = await startHosts({ dir, network, ...addresses, log: () => undefined, bootstrap: '/bin/true' });
    const imds = { url, answerOnly: () => undefined };
    await hosts.start({ instanceId: 'i-images', userData: '', first: true, imds, wentOff: () => undefined });
    for (const [name, text] of Object.entries(FILES)) {
      const file = join(dir, 'i-images/eph', name);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, text);
    }
    await on('docker compose up -d --build --wait --quiet-pull');
    // The images are made as they are asked for: minutes, where none of them is there yet.
  }, 600_000);

  afterAll(async () => {
    await hosts?.close();
    await registry?.close();
    await network?.close();
    await rm(temp, { recursive: true, force: true });
  });

  it('node builds an application with npm ci and apt-get and runs it as its own user', async () => {
    expect(await on('curl -s http://127.0.0.1:8080/')).toBe('1m hello uid 1000');
  });

  it('caddy takes its configuration from /etc/caddy/Caddyfile and reaches services by name', async () => {
    expect(await on('curl -s http://127.0.0.1:8080/site/')).toBe('a static page');
  });

  it('nginx serves /usr/share/nginx/html and fills templates from the environment', async () => {
    expect(await on('curl -s -H "Host: here" http://127.0.0.1:8080/site/who')).toBe('here greets world');
    expect(await on('docker compose logs site')).toContain('GET /who');
  });

  it('postgres makes user and database, runs the init files once, and asks for the password', async () => {
    const query = 'docker compose exec -T db psql -U shop shop -tAc "select sum(n) from things"';
    expect(await on(query)).toBe('85');
    const network =
      'docker run --rm --network "$(docker network ls -q --filter label=com.docker.compose.network=default)"';
    expect(
      await on(`${network} -e PGPASSWORD=s3cret postgres:15 psql -h db -U shop shop -tAc "select 1"`),
    ).toBe('1');
    expect(
      await on(
        `${network} -e PGPASSWORD=wrong postgres:15 psql -h db -U shop shop -c "select 1" 2>&1 || echo refused`,
      ),
    ).toMatch(/password authentication failed[\s\S]*refused/);
    await on('docker compose up -d --force-recreate --wait db');
    expect(await on(query)).toBe('85');
  });

  it('postgres without a password says what to set', async () => {
    expect(await on('docker run --rm postgres:15 2>&1 || true')).toContain('POSTGRES_PASSWORD');
  });

  it('redis takes options, keeps /data and drops root', async () => {
    await on('docker run -d --name cache redis:7 --save 1 1 && sleep 0.5');
    expect(await on('docker exec cache redis-cli config get save; docker exec cache id -un 999')).toContain(
      '1 1\nredis',
    );
    expect(await on('docker inspect cache --format "{{range .Mounts}}{{.Destination}}{{end}}"')).toBe(
      '/data',
    );
    expect(await on('docker exec cache stat -c %U /proc/1')).toBe('redis');
  });

  it('busybox has its applets', async () => {
    expect(await on('docker run --rm busybox:1 sh -c "echo a b | awk \'{print \\$2}\' && id -un"')).toBe(
      'b\nroot',
    );
  });
});

it('a registry that starts removes what no running registry uses, and nothing of a running one', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'eph-registry-'));
  const dead = 4_194_305; // above the highest pid of Linux
  const own = `run-${process.pid}-feedbeef0000-x`;
  const made = ['blobs', 'blobs-0123456789ab', 'blobs-feedbeef0000', own, `run-${dead}-0123456789ab-x`];
  for (const name of [...made, `build-${dead}-x`]) await mkdir(join(dir, name));
  const started = await startRegistry({ dir });
  const left = await readdir(dir);
  await started.close();
  await rm(dir, { recursive: true, force: true });
  expect(left.filter((name) => made.includes(name) || name.startsWith('build-')).sort()).toEqual([
    'blobs-feedbeef0000',
    own,
  ]);
});
