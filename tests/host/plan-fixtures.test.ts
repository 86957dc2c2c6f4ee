import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { PreviewConfig } from '#core/preview-config';
import { openAgentDisk } from '../../host/agent-disk.ts';
import { DeployFailure } from '../../host/deploy-failure.ts';
import { planDeployment } from '../../host/plan-deployment.ts';
import type { MailboxSpec } from '../../lambdas/providers/ec2/mailbox.ts';
import {
  copyFixture,
  fixtureConfig,
  fixtureManifest,
  fixtureNames,
  machine,
  namedFiles,
  readRecording,
  recordedCompose,
  specFor,
} from './compose-fixtures.ts';

/**
 * `service:port path`, the primary first, a part of its warnings, and what must be up for it (where that is told);
 * or the failure's code and a part of its sentence.
 */
type Answer = { public: string[]; warns?: string; essential?: string[] } | { refuses: string; says: string };

const answers: [
  fixture: string,
  answer: Answer,
  more?: { settings?: Partial<PreviewConfig>; spec?: Partial<MailboxSpec> },
][] = [
  // Applications in the form in which people write them.
  [
    'voting-app',
    {
      public: ['vote:80 /', 'result:80 /result'],
      warns: '`result` could be meant as well. `primary: result` in eph.yaml chooses',
    },
  ],
  ['nginx-golang-postgres', { public: ['proxy:80 /'] }],
  ['react-express-mysql', { public: ['frontend:3000 /', 'backend:80 /backend'] }],
  ['react-rust-postgres', { public: ['frontend:3000 /'] }],
  ['nginx-nodejs-redis', { public: ['nginx:80 /', 'web1:5000 /web1', 'web2:5000 /web2'] }],
  ['traefik-golang', { public: ['frontend:80 /'], warns: 'controls Docker' }],
  [
    'traefik-golang',
    { refuses: 'not-for-forks', says: '`frontend` controls Docker' },
    { spec: { trusted: false } },
  ],
  ['postgresql-pgadmin', { refuses: 'only-companions', says: 'write `primary: pgadmin`' }],
  ['postgresql-pgadmin', { public: ['pgadmin:80 /'] }, { settings: { primary: 'pgadmin' } }],
  ['elasticsearch-logstash-kibana', { refuses: 'only-companions', says: '(`kibana`)' }],
  ['nextcloud-redis-mariadb', { public: ['nc:80 /'] }],
  ['wordpress-mysql', { public: ['wordpress:80 /'] }],
  ['gitea-postgres', { public: ['gitea:3000 /'] }],
  ['aspnet-mssql', { public: ['web:80 /'] }],
  ['plex', { refuses: 'nothing-public', says: "`plex` uses the machine's network" }],
  [
    'plex',
    { public: ['plex:32400 /'], warns: "uses the machine's network" },
    { settings: { primary: 'plex:32400' } },
  ],
  ['pihole-cloudflared', { refuses: 'nothing-public', says: '`pihole` publishes 53/udp' }],
  ['wireguard', { refuses: 'nothing-public', says: '`wireguard` publishes 51820/udp' }],
  ['minecraft', { refuses: 'nothing-public', says: '`minecraft` publishes 25565/tcp' }],
  ['wasmedge-mysql-nginx', { refuses: 'cannot-run', says: '`backend` is a WebAssembly module' }],
  ['wasmedge-kafka-mysql', { refuses: 'cannot-run', says: '`etl` is a WebAssembly module' }],
  ['flask-redis', { public: ['web:8000 /'] }],
  ['react-express-mongodb', { public: ['frontend:3000 /'] }],
  ['angular', { public: ['web:4200 /'] }],
  ['vuejs', { public: ['web:8080 /'] }],
  // Larger applications.
  [
    'langfuse',
    { public: ['langfuse-web:3000 /', 'minio:9000 /minio'], warns: '`NEXTAUTH_URL` of `langfuse-web`' },
  ],
  ['mastodon', { public: ['web:3000 /', 'streaming:4000 /streaming'] }],
  ['plausible', { refuses: 'nothing-public', says: 'publishes a port' }],
  [
    'plausible',
    { public: ['plausible:8000 /'], warns: 'SECRET_KEY_BASE' },
    { settings: { primary: 'plausible:8000' } },
  ],
  ['airflow', { public: ['airflow-apiserver:8080 /'] }],
  ['opentelemetry', { public: ['frontend-proxy:8080 /', 'frontend-proxy:10000 /frontend-proxy-10000'] }],
  ['superset', { public: ['nginx:80 /', 'superset:8088 /superset'], warns: '`superset-websocket` uses' }],
  [
    'posthog',
    { public: ['proxy:80 /'], warns: '`DOMAIN`' },
    { settings: { compose: ['docker-compose.hobby.yml'] } },
  ],
  [
    'posthog',
    { refuses: 'no-compose-file', says: 'Found `docker-compose.base.yml`, `docker-compose.hobby.yml`' },
    { settings: { compose: undefined } },
  ],
  ['build-from-machine', { public: ['web:80 /'], warns: '`web` builds from /var/lib/eph of the machine.' }],
  [
    'build-from-machine',
    { refuses: 'not-for-forks', says: 'builds from /var/lib/eph' },
    { spec: { trusted: false } },
  ],
  ['host-folder-by-volume', { public: ['web:80 /'], warns: 'The volume `machine` is / of the machine' }],
  [
    'host-folder-by-volume',
    { refuses: 'not-for-forks', says: 'The volume `machine` is / of the machine' },
    { spec: { trusted: false } },
  ],
  ['gpu', { refuses: 'cannot-run', says: '`web` needs a GPU' }],
  ['dollar-and-urls', { public: ['web:80 /', 'api:3000 /api'] }],
  // Errors that compose itself reports.
  [
    'env-file-missing',
    { refuses: 'env-file-missing', says: 'reads `.env` (`env_file`), which is not in the repository' },
  ],
  ['env-file-optional', { public: ['web:80 /'] }],
  [
    'variable-required',
    {
      refuses: 'variable-required',
      says: '`db` needs the variable `PG_PASS` ("database password required")',
    },
  ],
  ['variable-unset', { public: ['web:80 /'], warns: '`PG_PASS`' }],
  ['volume-unset', { refuses: 'volume-spec', says: 'A volume is written `:/x`' }],
  ['port-unset', { public: ['web:80 /'], warns: '`P`' }],
  ['extends-missing', { refuses: 'file-missing', says: '`docker-compose.base.yml`' }],
  ['include-missing', { refuses: 'file-missing', says: '`infra/compose.yaml`' }],
  ['depends-on-profile', { refuses: 'depends-on-missing', says: '`web` depends on `db`' }],
  ['all-profiles', { refuses: 'nothing-to-start', says: 'Its profiles: `data`, `dev`' }],
  ['external-network', { public: ['web:80 /'] }],
  ['secret-missing', { public: ['web:80 /'] }],
  ['two-files', { public: ['web:80 /'], warns: '`docker-compose.yml` is not' }],
  ['broken-yaml', { refuses: 'yaml', says: 'The compose file `compose.yaml` is not valid YAML (line 1)' }],
  // Files in people's form, for which some version of Eph gave a wrong result.
  [
    'api-gateway',
    {
      public: [
        'api-gateway:80 /',
        'config-server:80 /config-server',
        'customers-service:80 /customers-service',
      ],
    },
    { spec: { repository: { owner: 'acme', name: 'shop' } } },
  ],
  ['companion-outranks-backend', { public: ['backend:80 /', 'temporal-ui:8080 /temporal-ui'] }],
  [
    'compose-v1-format',
    { refuses: 'compose-format-1', says: '`compose.yaml` is in the format of docker-compose 1' },
  ],
  [
    'dangling-env-link',
    {
      refuses: 'env-file-missing',
      says: '`.env` is a link to `app.conf`, which is not a file in the repository',
    },
  ],
  ['expose-behind-traefik-labels', { public: ['app:80 /', 'mailpit:8025 /mailpit'] }],
  [
    'host-port-from-container',
    {
      public: ['web:3000 /', 'api:4000 /api'],
      warns: '`host.docker.internal:4000`, but a preview opens no ports of the machine: use `api:4000`',
    },
  ],
  [
    'models',
    { refuses: 'cannot-run', says: '`web` uses the model `llm` (`models`), which needs Docker Model Runner' },
  ],
  [
    'more-cpus',
    {
      public: ['web:80 /'],
      warns:
        "`web` may use 8 CPUs, but the preview's machine has 2: the limit was lowered. A larger `instance_type`",
    },
  ],
  ['network-mode-bridge', { public: ['web:80 /'] }],
  ['one-shot-with-port', { public: ['web:80 /', 'e2e:9323 /e2e'], essential: ['web'] }],
  ['only-companions', { refuses: 'only-companions', says: '(`mailpit`), not the application' }],
  ['pwd-variable', { public: ['web:80 /'] }],
  ['replicas-zero', { public: ['web:80 /'] }],
  ['static-address-taken', { public: ['web:80 /'], essential: ['cache', 'web'] }],
  ['tool-fails-deploy', { public: ['web:80 /', 'adminer:8080 /adminer'], essential: ['web'] }],
  ['two-ports-one-service', { public: ['app:3001 /', 'app:3002 /admin'] }],
  ['unset-port-hides-page', { public: ['web:80 /'], warns: '`HTTP_PORT`' }],
  ['which-file', { refuses: 'no-compose-file', says: 'like `compose: docker/docker-compose.yml`' }],
  ['image-of-another', { public: ['web:3000 /'] }],
  [
    'env-example',
    { public: ['web:80 /'], warns: '`.env` is not in the repository: `.env.example` stands in' },
  ],
  ['env-example-declined', { refuses: 'variable-required', says: '`WEB_PORT`' }],
  ['env-example-unneeded', { public: ['web:80 /'] }],
  [
    'env-example-of-service',
    { public: ['web:80 /'], warns: '`api/.env.local` is not in the repository: `api/.env.sample` stands in' },
  ],
  ['env-file-named', { public: ['web:80 /'] }],
  [
    'env-file-named',
    { refuses: 'eph-yaml', says: '`env_file` names `.env.ci`' },
    { settings: { env_file: '.env.ci' } },
  ],
  [
    'link-to-nowhere',
    {
      refuses: 'file-missing',
      says: '`compose.yaml` is a link to `../nowhere.yaml`, which is not in the repository',
    },
  ],
  [
    'image-empty',
    {
      refuses: 'planning-failed',
      says: 'invalid compose project. Variables without a value, taken as empty: `IMAGE`',
    },
  ],
  [
    'variable-empty',
    {
      refuses: 'port-spec',
      says: 'Variables without a value, taken as empty: `HOST_PORT`, `WEB_PORT`',
    },
  ],
  [
    'companions-and-others',
    { refuses: 'only-companions', says: 'like `compose: [docker-compose.yml, docker-compose.app.yml]`' },
  ],
  ['dockerfile-alone', { public: ['app:4000 /'] }],
  ['dockerfile-without-port', { refuses: 'nothing-public', says: 'Add `EXPOSE 3000`' }],
  ['dockerfile-port-named', { public: ['app:5000 /'] }],
  [
    'dockerfile-and-other-files',
    { public: ['app:80 /'], warns: 'write `compose: deploy/docker-compose.yml`' },
  ],
  ['unknown-key', { refuses: 'compose-invalid', says: "`web` additional properties 'prots' not allowed" }],
];

const recording = readRecording();
const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

async function plan(name: string, settings: Partial<PreviewConfig>, more: Partial<MailboxSpec>) {
  const root = await mkdtemp(join(tmpdir(), 'eph-plan-'));
  folders.push(root);
  const disk = await openAgentDisk(root);
  copyFixture(name, disk.source);
  const recorded = recording[name];
  if (!recorded) throw new Error(`${name} is not recorded: node tests/host/record-compose.ts`);
  return planDeployment(
    specFor(name, { ...fixtureConfig(name), ...settings }, more),
    fixtureManifest(name),
    disk,
    recordedCompose(recorded, disk.source),
    machine,
  );
}

describe('what is public in a compose file', () => {
  it.each(answers)('%s', async (name, answer, more = {}) => {
    const planned = await plan(name, more.settings ?? {}, more.spec ?? {}).catch((error: unknown) => error);
    if ('refuses' in answer) {
      expect(planned).toBeInstanceOf(DeployFailure);
      const { failure } = planned as DeployFailure;
      expect(failure.code).toBe(answer.refuses);
      expect(failure.sentence).toContain(answer.says);
      return;
    }
    if (planned instanceof Error) throw planned;
    const { installed, warnings } = planned as Awaited<ReturnType<typeof plan>>;
    expect(installed.services.map((service) => `${service.name}:${service.port} ${service.path}`)).toEqual(
      answer.public,
    );
    expect(installed.services.filter((service) => service.primary)).toHaveLength(1);
    if (answer.essential) expect(installed.essential.sort()).toEqual(answer.essential);
    if (answer.warns) expect(warnings.join('\n')).toContain(answer.warns);
    else expect(warnings).toEqual([]);
  });

  it('has an expected answer for every fixture', () => {
    expect(new Set(answers.map(([name]) => name))).toEqual(new Set(fixtureNames()));
    expect(new Set(Object.keys(recording))).toEqual(new Set(fixtureNames()));
    expect(Object.keys(namedFiles).every((name) => fixtureNames().includes(name))).toBe(true);
  });
});
