import { describe, expect, it } from 'vitest';
import { defaultPreviewConfig, type PreviewConfig } from '#core/preview-config';
import type { ComposeProject } from '../../host/compose-project.ts';
import { planServices } from '../../host/plan-services.ts';
import type { MailboxSpec } from '../../lambdas/providers/ec2/mailbox.ts';

type Services = NonNullable<ComposeProject['services']>;

interface More {
  config?: Partial<PreviewConfig>;
  arch?: string;
  repository?: MailboxSpec['repository']['name'];
}

function plan(services: Services, { config = {}, arch = 'amd64', repository = 'shop' }: More = {}) {
  const planned = planServices({
    project: { services },
    config: { ...defaultPreviewConfig, ...config },
    hostname: 'shop-42-pr.example.dev',
    repository,
    root: '/eph/source',
    machine: { arch, cpus: 2 },
  });
  if (!planned.ok) return { refused: planned.failure.sentence, open: [], warnings: [], services: [] };
  const { services: found, warnings } = planned;
  return {
    refused: undefined,
    open: found.map(({ name, port, path }) => `${name}:${port} ${path}`),
    warnings,
    services: found,
  };
}

const port = (target: number, published?: number) => ({
  target,
  ...(published && { published: String(published) }),
});
const image = (name: string, ...ports: { target: number; published?: string }[]) => ({ image: name, ports });
const built = (...ports: { target: number; published?: string }[]) => ({ build: { context: '.' }, ports });
const mounts = (target: string) => [{ type: 'bind', source: '/eph/source/x', target }];

describe('the primary is the application', () => {
  const first: [what: string, services: Services, primary: string][] = [
    [
      'a gateway before the services behind it',
      {
        'api-gateway': built(port(8080, 8080)),
        'orders-service': built(port(80, 8001)),
        'discovery-server': built(port(8761, 8761)),
      },
      'api-gateway',
    ],
    [
      'a page before the gateway that it calls',
      { frontend: built(port(80, 8081)), 'api-gateway': built(port(8080, 8080)) },
      'frontend',
    ],
    ...[
      ['temporal-ui', 'temporalio/ui:2'],
      ['keycloak', 'quay.io/keycloak/keycloak:26.0'],
      ['redpanda-console', 'docker.redpanda.com/redpandadata/console:v2'],
      ['minio-console', 'minio/console'],
      ['auth', 'keycloak/keycloak'],
      ['kafka-ui', 'provectuslabs/kafka-ui'],
      ['storage', 'mcr.microsoft.com/azure-storage/azurite'],
      ['db-admin', 'node:24'],
      ['minio-console', 'node:24'],
    ].map(([name = '', from = '']): [string, Services, string] => [
      `a backend before ${name} (${from})`,
      { backend: image('node:24', port(80, 8081)), [name]: image(from, port(8080, 80)) },
      'backend',
    ]),
    [
      "an application's own part that has a companion's name in its own",
      { 'temporal-dashboard': built(port(3000, 3000)), adminer: image('adminer', port(8080, 80)) },
      'temporal-dashboard',
    ],
    [
      'an application before an nginx that only hands out files',
      {
        app: image('node:24', port(3000, 3000)),
        nginx: { ...image('nginx:1', port(80, 80)), volumes: mounts('/usr/share/nginx/html') },
      },
      'app',
    ],
    [
      'an nginx with a configuration before the application behind it',
      {
        app: image('node:24', port(3000, 3000)),
        nginx: { ...image('nginx:1', port(80, 8080)), volumes: mounts('/etc/nginx/conf.d/default.conf') },
      },
      'nginx',
    ],
    [
      'a Caddy that needs the application before it',
      {
        app: image('node:24', port(3000, 3000)),
        caddy: { ...image('caddy:2', port(80, 8080)), depends_on: { app: {} } },
      },
      'caddy',
    ],
    [
      'a page of files before the API that it calls',
      {
        web: { ...image('nginx:1', port(80, 8080)), volumes: mounts('/usr/share/nginx/html') },
        api: built(port(3000, 80)),
      },
      'web',
    ],
    [
      'the application before copies of it that do something else',
      {
        shop: { ...built(port(8000, 8000)), image: 'shop' },
        celery: { image: 'shop', command: ['celery', '-A', 'shop', 'worker'], ports: [port(8000, 80)] },
      },
      'shop',
    ],
    [
      'what a Traefik for other host names routes to before that Traefik',
      {
        traefik: image('traefik:v3', port(80, 80)),
        site: {
          image: 'node:24',
          expose: ['3000'],
          labels: { 'traefik.http.routers.site.rule': 'Host(`site.localhost`)' },
        },
      },
      'site',
    ],
    [
      'a Traefik that takes any host name before what it routes to',
      {
        traefik: image('traefik:v3', port(80, 80)),
        site: {
          image: 'node:24',
          expose: ['3000'],
          labels: { 'traefik.http.routers.site.rule': 'PathPrefix(`/`)' },
        },
      },
      'traefik',
    ],
    [
      'a frontend before a proxy for a database',
      { web: built(port(3000, 3000)), 'cloud-sql-proxy': image('cloud-sql-proxy', port(8090, 80)) },
      'web',
    ],
  ];
  it.each(first)('%s', (_, services, primary) => {
    expect(plan(services).services[0]?.name).toBe(primary);
  });

  it('names the other candidates, and how to choose', () => {
    const { warnings } = plan({ orders: built(port(80, 8001)), customers: built(port(80, 8002)) });
    expect(warnings).toEqual([
      '`orders` is at `/`; `customers` could be meant as well. `primary: customers` in eph.yaml chooses.',
    ]);
    expect(plan({ web: built(port(80, 1)), api: built(port(80, 2)) }).warnings).toEqual([]);
    expect(
      plan(
        { orders: built(port(80, 8001)), customers: built(port(80, 8002)) },
        { config: { primary: 'orders' } },
      ).warnings,
    ).toEqual([]);
  });
});

describe('ports are found however the file declares them', () => {
  const ways: [what: string, services: Services, open: string[]][] = [
    [
      'two ports of a service are two addresses',
      { app: built(port(3001, 3001), port(3000, 3000)) },
      ['app:3000 /', 'app:3001 /app-3001'],
    ],
    ['plain HTTP and TLS of a service are one', { web: built(port(80, 80), port(443, 443)) }, ['web:80 /']],
    [
      'Traefik without a port takes what is exposed',
      {
        app: { image: 'x', expose: ['9999'], labels: { 'traefik.enable': 'true' } },
        mailpit: image('axllent/mailpit', port(8025, 8025)),
      },
      ['app:9999 /', 'mailpit:8025 /mailpit'],
    ],
    [
      'labels of a swarm are labels',
      {
        app: {
          image: 'x',
          deploy: { labels: { 'traefik.http.services.a.loadbalancer.server.port': '7070' } },
        },
      },
      ['app:7070 /'],
    ],
    [
      'nginx-proxy takes VIRTUAL_PORT',
      { app: { image: 'x', environment: { VIRTUAL_HOST: 'a.example', VIRTUAL_PORT: '5555' } } },
      ['app:5555 /'],
    ],
    [
      'caddy-docker-proxy takes it from its label',
      { app: { image: 'x', labels: { caddy: 'a.example', 'caddy.reverse_proxy': '{{upstreams 4444}}' } } },
      ['app:4444 /'],
    ],
    [
      'a published companion does not hide an application that is only exposed',
      { api: { image: 'x', expose: ['3000'] }, mailhog: image('mailhog/mailhog', port(8025, 8025)) },
      ['api:3000 /', 'mailhog:8025 /mailhog'],
    ],
    [
      'what is switched off has no address',
      { web: built(port(80, 80)), app: { ...built(port(81, 81)), scale: 0 } },
      ['web:80 /'],
    ],
    [
      "a debugger's port that is the only one is the application's",
      { app: built(port(5005, 5005)) },
      ['app:5005 /'],
    ],
    ['beside another it is the debugger', { app: built(port(8080, 8080), port(5005, 5005)) }, ['app:8080 /']],
    [
      'a copied worker has none',
      {
        web: { image: 'shop', command: ['npm', 'start'], ports: [port(3000)] },
        jobs: { image: 'shop', command: ['node', 'worker.js'], ports: [port(3000)] },
      },
      ['web:3000 /'],
    ],
  ];
  it.each(ways)('%s', (_, services, open) => {
    expect(plan(services).open).toEqual(open);
  });

  it('names the only port of a service that is being debugged', () => {
    const worker = {
      ...built(port(5005, 5005)),
      environment: { JAVA_TOOL_OPTIONS: '-agentlib:jdwp=transport' },
    };
    expect(plan({ worker }).refused).toContain('`worker` publishes 5005/tcp (a debugger)');
    expect(plan({ app: built(port(9229, 9229)) }).refused).toContain('9229/tcp (a debugger)');
  });

  it('follows eph.yaml where it names ports of one service', () => {
    const { open, services } = plan(
      { app: built(port(3001, 3001), port(3002, 3002)) },
      {
        config: {
          primary: 'app:3002',
          routes: { '/x': { service: 'app', port: 3001, strip_prefix: true } },
        },
      },
    );
    expect(open).toEqual(['app:3002 /', 'app:3001 /x']);
    expect(services.map(({ upstream }) => upstream)).toEqual(['app:3002', 'app:3001']);
    expect(new Set(services.map(({ hostname }) => hostname)).size).toBe(2);
  });

  it('knows a service that speaks TLS by its port, its health check and its labels', () => {
    const tls = (service: Services[string]) => plan({ web: service }).services[0]?.tls;
    expect(tls(built(port(9443, 9443)))).toBe(true);
    expect(
      tls({ ...built(port(5001, 5001)), healthcheck: { test: ['CMD', 'curl', 'https://localhost:5001/'] } }),
    ).toBe(true);
    expect(tls({ ...built(port(5001, 5001)), environment: { ASPNETCORE_URLS: 'https://+:5001' } })).toBe(
      true,
    );
    expect(
      tls({
        ...built(port(80, 80)),
        labels: { 'traefik.http.services.a.loadbalancer.server.scheme': 'https' },
      }),
    ).toBe(true);
    expect(tls(built(port(8080, 8080)))).toBe(false);
  });
});

describe('an impossible project is refused before anything is pulled', () => {
  it('refuses a file of companions only, unless eph.yaml names one', () => {
    const tools = {
      db: image('postgres:15', port(5432, 5432)),
      adminer: image('adminer', port(8080, 8080)),
      azurite: image('mcr.microsoft.com/azure-storage/azurite', port(10000, 10000)),
    };
    expect(plan(tools).refused).toContain('only what an application needs beside it');
    expect(plan(tools, { config: { primary: 'adminer' } }).open[0]).toBe('adminer:8080 /');
    expect(plan({ adminer: built(port(8080, 8080)), app: built(port(80, 80)) }).open[0]).toBe('app:80 /');
  });

  it('accepts a product with a plugin or theme of the repository, or that is built here', () => {
    const grafana = image('grafana/grafana', port(3000, 3000));
    const mounted = (source: string) => [{ type: 'bind', source, target: '/var/lib/grafana/plugins/clock' }];
    expect(plan({ grafana: { ...grafana, volumes: mounted('/eph/source/dist') } }).open).toEqual([
      'grafana:3000 /',
    ]);
    expect(plan({ grafana: { ...grafana, volumes: mounted('/home/me/dist') } }).refused).toContain(
      'only what',
    );
    expect(plan({ keycloak: built(port(8080, 8080)) }).open).toEqual(['keycloak:8080 /']);
  });

  it('accepts an application that is called like a job', () => {
    const db = image('postgres:15', port(5432, 5432));
    expect(plan({ db, scheduler: image('acme/scheduler', port(80, 80)) }).open).toEqual(['scheduler:80 /']);
    expect(
      plan({ db, worker: image('acme/worker'), adminer: image('adminer', port(8080)) }).refused,
    ).toContain('`adminer`');
  });

  it('refuses another platform than the machine has', () => {
    const arm = { web: { ...built(port(80, 80)), platform: 'linux/arm64/v8' } };
    expect(plan(arm).refused).toContain('set `arch: arm64` in eph.yaml');
    expect(plan(arm, { arch: 'arm64' }).refused).toBeUndefined();
    expect(plan({ web: { ...built(port(80, 80)), platform: 'linux/x86_64' } }).refused).toBeUndefined();
    expect(
      plan({ web: { build: { platforms: ['linux/arm64', 'linux/amd64'] }, ports: [port(80)] } }).refused,
    ).toBeUndefined();
    expect(plan({ web: { build: { platforms: ['linux/s390x'] }, ports: [port(80)] } }).refused).toContain(
      's390x',
    );
  });

  it('refuses a primary that is switched off or has no network', () => {
    const config = { primary: 'web' };
    const more = { app: built(port(80, 80)) };
    expect(
      plan({ ...more, web: { ...built(port(81)), deploy: { replicas: 0 } } }, { config }).refused,
    ).toContain('`replicas: 0`');
    expect(
      plan({ ...more, web: { ...built(port(81)), network_mode: 'none' } }, { config }).refused,
    ).toContain('`network_mode: none`');
  });
});
