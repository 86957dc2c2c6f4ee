import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { ComposeProject } from '../../host/compose-project.ts';
import { lastUse, nothingSeen, OPEN_TAB_MS, readAccessLog } from '../../host/last-use.ts';
import { createLog, tooShort } from '../../host/log.ts';
import { overrideFile } from '../../host/override-file.ts';
import { mountedHashes, unsetVariables } from '../../host/plan-deployment.ts';
import { planServices } from '../../host/plan-services.ts';
import {
  envFile,
  injectedVariables,
  interpolatedVariables,
  provisionalAddresses,
} from '../../host/preview-variables.ts';
import { proxyConfig } from '../../host/proxy-config.ts';
import { specFor } from './compose-fixtures.ts';

const project = {
  services: {
    web: {
      image: 'nginx',
      container_name: 'shop_web',
      ports: [{ target: 80, published: '8080' }],
      environment: { LOG: 'own' },
      networks: { front: null, back: null },
    },
    api: { build: {}, ports: [{ target: 3000, published: '3000' }], networks: { back: null } },
    db: { image: 'postgres', ports: [{ target: 5432, published: '5432' }], networks: { back: null } },
  },
};
const spec = specFor('shop', {
  env: { LOG: 'debug', PRICE: '5$' },
  routes: {
    '/api/v2': { service: 'api', strip_prefix: false },
    '/docs': { service: 'web', port: 80, strip_prefix: true },
  },
});
const planned = planServices({
  project,
  config: spec.config,
  hostname: spec.hostname,
  repository: 'shop',
  root: '/eph/source',
  machine: { arch: 'amd64', cpus: 2 },
});
if (!planned.ok) throw new Error(planned.failure.sentence);
const { services: plannedServices, routes: plannedRoutes } = planned;

describe('variables', () => {
  it('name the preview and each of its public services', () => {
    expect(interpolatedVariables(spec, planned.services)).toMatchObject({
      EPH: '1',
      EPH_URL: 'https://shop-calm-river-42-pr.example.dev',
      EPH_HOST: 'shop-calm-river-42-pr.example.dev',
      EPH_PR_NUMBER: '42',
      EPH_SHA: 'a'.repeat(40),
      EPH_BRANCH: 'feature',
      EPH_URL_WEB: 'https://shop-calm-river-42-pr.example.dev',
      EPH_URL_API: 'https://shop-calm-river-42-pr.example.dev/api/v2',
      EPH_INTERNAL_URL_API: 'http://api:3000',
      LOG: 'debug',
    });
  });

  it('have no number where there is no pull request', () => {
    const { number: _none, ...rest } = spec;
    expect(interpolatedVariables(rest, planned.services)).not.toHaveProperty('EPH_PR_NUMBER');
  });

  it('tell two ports of one service apart', () => {
    const [web] = plannedServices;
    if (!web) throw new Error('a service is planned');
    const second = { ...web, port: 81, primary: false, path: '/web-81', upstream: 'web:81' };
    expect(interpolatedVariables(spec, [web, second])).toMatchObject({
      EPH_URL_WEB: 'https://shop-calm-river-42-pr.example.dev',
      EPH_URL_WEB_81: 'https://shop-calm-river-42-pr.example.dev/web-81',
      EPH_INTERNAL_URL_WEB_81: 'http://web:81',
    });
  });

  it('are not put into services if they change with every push: all services would restart', () => {
    expect(injectedVariables(spec, planned.services)).not.toHaveProperty('EPH_SHA');
    expect(injectedVariables(spec, planned.services)).not.toHaveProperty('EPH_BRANCH');
  });

  it('exist before the plan does, where the compose file uses them', () => {
    expect(provisionalAddresses(spec, ['a: $EPH_URL_API $EPH_INTERNAL_URL_DB_1'])).toEqual({
      EPH_URL_API: 'https://shop-calm-river-42-pr.example.dev',
      EPH_INTERNAL_URL_DB_1: 'https://shop-calm-river-42-pr.example.dev',
    });
  });

  it('survive the env file, whatever they contain', () => {
    expect(envFile({ A: 'x"y\\z$HOME\nline' })).toBe('A="x\\"y\\\\z\\$HOME\\nline"\n');
  });

  it('are named once if they have no value', () => {
    const stderr =
      'time="" level=warning msg="The \\"PG\\" variable is not set. Defaulting"\ntime="" level=warning msg="The \\"PG\\" variable is not set."';
    expect(unsetVariables(stderr)).toEqual([
      'Variables without a value, taken as empty: `PG`. Set it under `env` in eph.yaml.',
    ]);
  });
});

describe('our compose file', () => {
  const text = overrideFile({
    project,
    services: planned.services,
    variables: injectedVariables(spec, planned.services),
    mounted: { web: 'hash' },
    projectNames: ['shop'],
    machine: { arch: 'amd64', cpus: 2 },
    proxy: { image: 'caddy:2', port: 8080, configFolder: '/c', runFolder: '/r', logFolder: '/l' },
  });
  const parsed = parse(text, { logLevel: 'silent' });

  it('removes host ports and container names, and keeps the name as an alias', () => {
    expect(text.match(/ports: !reset \[\]/g)).toHaveLength(3);
    expect(text.match(/container_name: !reset null/g)).toHaveLength(3);
    expect(parsed.services.web.networks).toEqual({
      front: { aliases: ['shop_web'] },
      back: { aliases: ['shop_web'] },
    });
  });

  it('gives variables to services that are public or built, where the file does not set them', () => {
    expect(parsed.services.web.environment).toMatchObject({ EPH: '1', PRICE: '5$$' });
    expect(parsed.services.web.environment).not.toHaveProperty('LOG');
    expect(parsed.services.api.environment).toHaveProperty('LOG', 'debug');
    expect(parsed.services.db.environment).toBeUndefined();
  });

  it('adds the proxy on its own bridge and the networks of what it serves, on loopback only', () => {
    expect(new Set(Object.keys(parsed.services['eph-proxy'].networks))).toEqual(
      new Set(['eph-proxy', 'front', 'back']),
    );
    expect(parsed.services['eph-proxy'].ports).toEqual(['127.0.0.1:8080:80']);
  });

  it('changes a label when a mounted file changed, so that the service is recreated', () => {
    expect(parsed.services.web.labels).toEqual({ 'eph.mounted': 'hash' });
    const mounts = {
      services: {
        web: { volumes: [{ type: 'bind', source: '/eph/source/conf' }], secrets: [{ source: 'key' }] },
        api: {},
      },
      secrets: { key: { file: '/eph/source/key.txt' } },
    };
    const hash = (manifest: Record<string, string>) => mountedHashes(mounts, manifest, '/eph/source')['web'];
    const before = hash({ 'conf/a': '1', 'key.txt': '1', 'confused/b': '1' });
    expect(hash({ 'conf/a': '2', 'key.txt': '1', 'confused/b': '1' })).not.toBe(before);
    expect(hash({ 'conf/a': '1', 'key.txt': '2', 'confused/b': '1' })).not.toBe(before);
    expect(hash({ 'conf/a': '1', 'key.txt': '1', 'confused/b': '2' })).toBe(before);
    expect(mountedHashes(mounts, { 'conf/a': '1' }, '/eph/source')).not.toHaveProperty('api');
  });
});

describe('our compose file, for settings that would not start unchanged', () => {
  const override = (services: NonNullable<ComposeProject['services']>, more: ComposeProject = {}) => {
    const whole = { services, ...more };
    const [name = ''] = Object.keys(services);
    const text = overrideFile({
      project: whole,
      services: [
        {
          name,
          port: 80,
          primary: true,
          hostname: 'shop.example.dev',
          path: '/',
          upstream: `${name}:80`,
          tls: false,
          stripPrefix: false,
          networks: Object.keys(services[name]?.networks ?? { default: null }),
        },
      ],
      variables: {},
      mounted: {},
      projectNames: ['shop'],
      machine: { arch: 'amd64', cpus: 2 },
      proxy: { image: 'caddy:2', port: 8080, configFolder: '/c', runFolder: '/r', logFolder: '/l' },
    });
    return { text, services: parse(text, { logLevel: 'silent' }).services };
  };

  it.each([
    ['app', 'app'],
    ['app:latest', 'app:latest'],
    ['docker.io/library/app', 'docker.io/library/app'],
  ])('does not fetch %s, which another service builds as `app`', (image, kept) => {
    const { services } = override({
      web: { build: {}, image: 'app' },
      worker: { image },
      db: { image: 'app-db' },
    });
    expect(services.worker).toMatchObject({ pull_policy: 'never' });
    expect(services.worker.image ?? image).toBe(kept);
    expect(services.web).toMatchObject({ pull_policy: 'never' });
    expect(services.db).toMatchObject({ pull_policy: 'missing' });
  });

  it('fetches again where the file says so, as the advice for a tag that is pushed again says', () => {
    const { services } = override({
      web: { build: {}, image: 'app', pull_policy: 'always' },
      worker: { image: 'app', pull_policy: 'always' },
      api: { image: 'api', pull_policy: 'always' },
      db: { image: 'db' },
    });
    expect(services.web).toMatchObject({ pull_policy: 'never' });
    expect(services.worker).toMatchObject({ pull_policy: 'never' });
    expect(services.api ?? {}).not.toHaveProperty('pull_policy');
    expect(services.db).toMatchObject({ pull_policy: 'missing' });
  });

  it('gives a service the image that compose names after the project, whose name is another one here', () => {
    const { services } = override({
      web: { build: {} },
      worker: { image: 'shop-web' },
      seed: { image: 'shop_web:latest' },
      other: { image: 'mongo-web' },
    });
    expect(services.worker).toMatchObject({ image: 'eph-web', pull_policy: 'never' });
    expect(services.seed).toMatchObject({ image: 'eph-web', pull_policy: 'never' });
    expect(services.other).not.toHaveProperty('image');
  });

  it("takes a service off Docker's own bridge, where the proxy could not find it", () => {
    const { text } = override({ web: { image: 'x', network_mode: 'bridge' } });
    expect(text).toContain('network_mode: !reset null');
    expect(override({ web: { image: 'x', network_mode: 'host' } }).text).not.toContain('network_mode');
  });

  it('finds the service whose container is named as the network of another', () => {
    const { services } = override({
      web: { image: 'x', network_mode: 'container:the-vpn' },
      vpn: { image: 'y', container_name: 'the-vpn' },
    });
    expect(services.web.network_mode).toBe('service:vpn');
  });

  it('gives the proxy an address that is reserved for no service', () => {
    const at = (address: string) => ({ app: { ipv4_address: address } });
    const { services } = override(
      {
        web: { image: 'x', networks: at('172.28.7.254') },
        cache: { image: 'y', networks: at('172.28.7.2') },
      },
      { networks: { app: { ipam: { config: [{ subnet: '172.28.7.0/24', gateway: '172.28.7.253' }] } } } },
    );
    expect(services['eph-proxy'].networks.app).toEqual({ ipv4_address: '172.28.7.252' });
    expect(services['eph-proxy'].networks['eph-proxy']).toEqual({});
  });

  it('lowers a limit above the machine’s number of CPUs', () => {
    const { services, text } = override({
      web: { image: 'x', cpus: 4, deploy: { resources: { limits: { cpus: 8 } } }, cpuset: '0-3' },
      api: { image: 'y', cpus: 1, deploy: { resources: { limits: { cpus: 0.5 } } }, cpuset: '0,1' },
    });
    expect(services.web).toMatchObject({ cpus: 2, deploy: { resources: { limits: { cpus: '2' } } } });
    expect(text.match(/cpuset: !reset null/g)).toHaveLength(1);
    expect(services.api).not.toHaveProperty('cpus');
    expect(services.api).not.toHaveProperty('deploy');
  });

  it('builds for this machine alone where a service names several', () => {
    const { services } = override({ web: { build: { platforms: ['linux/arm64', 'linux/amd64'] } } });
    expect(services.web.build).toEqual({ platforms: ['linux/amd64'] });
  });
});

describe('the proxy', () => {
  it('matches the longest path first and the primary last', () => {
    const text = JSON.stringify(
      proxyConfig({
        services: planned.services,
        routes: planned.routes,
        hostname: spec.hostname,
        scheme: 'https',
      }),
    );
    const positions = ['"/api/v2"', '"strip_path_prefix":"/docs"', '"unknown-host"'].map((part) =>
      text.indexOf(part),
    );
    expect(positions.every((position) => position > 0)).toBe(true);
    expect([...positions].sort((a, b) => a - b)).toEqual(positions);
  });

  it('tells every service that visitors use https: otherwise it redirects them there without end', () => {
    const text = JSON.stringify(proxyConfig({ ...planned, hostname: spec.hostname, scheme: 'https' }));
    const upstreams = text.match(/"upstreams"/g)?.length ?? 0;
    expect(upstreams).toBeGreaterThan(2);
    expect(text.match(/"X-Forwarded-Proto":\["https"\]/g)).toHaveLength(upstreams);
  });
});

describe('under a prefix that is taken off', () => {
  /** What Caddy does with `replace`, in Go's syntax of expressions. */
  function sent(header: 'Location' | 'Set-Cookie', value: string): string {
    const docs = JSON.stringify(
      proxyConfig({
        services: plannedServices,
        routes: plannedRoutes,
        hostname: spec.hostname,
        scheme: 'https',
      }),
    );
    const found = new RegExp(`"${header}":(\\[\\{"search_regexp".*?\\}\\])`).exec(docs)?.[1] ?? '[]';
    const steps: { search_regexp: string; replace: string }[] = JSON.parse(found);
    return steps.reduce((text, { search_regexp: search, replace }) => {
      const flags = search.startsWith('(?i)') ? 'gi' : 'g';
      return text.replace(new RegExp(search.replace('(?i)', ''), flags), replace);
    }, value);
  }

  it.each([
    ['/login?next=/', '/docs/login?next=/'],
    ['/', '/docs/'],
    ['/docs/login', '/docs/login'],
    ['/documents', '/docs/documents'],
    ['relative', 'relative'],
    ['//other.example/x', '//other.example/x'],
    ['https://sign-in.example/', 'https://sign-in.example/'],
    ['http://shop-calm-river-42-pr.example.dev/x/', '/docs/x/'],
    ['https://shop-calm-river-42-pr.example.dev/', 'https://shop-calm-river-42-pr.example.dev/'],
  ])('a redirect to %s goes to %s', (location, to) => {
    expect(sent('Location', location)).toBe(to);
  });

  it.each([
    ['a=1; Path=/admin; Secure', 'a=1; Path=/docs/admin; Secure'],
    ['a=1; HttpOnly; path=/docs', 'a=1; HttpOnly; path=/docs'],
    ['a=1; Path=/docs/admin', 'a=1; Path=/docs/admin'],
    ['a=1; Path=/', 'a=1; Path=/'],
    ['path=/x; Secure', 'path=/x; Secure'],
  ])('the cookie %s becomes %s', (cookie, to) => {
    expect(sent('Set-Cookie', cookie)).toBe(to);
  });
});

describe('the logs of the proxy', () => {
  const { services, routes } = planned;
  const config = proxyConfig({ services, routes, hostname: spec.hostname, scheme: 'https' }) as {
    logging: { logs: Record<string, { encoder: unknown }> };
    apps: { http: { servers: { eph: { routes: unknown[] } } } };
  };

  it('contain nothing of a request, whatever headers a visitor has, also where it failed', () => {
    const removed = { filter: 'delete' };
    for (const [name, { encoder }] of Object.entries(config.logging.logs)) {
      expect(encoder, name).toEqual({
        format: 'filter',
        wrap: { format: 'json' },
        fields: { request: removed, headers: removed, resp_headers: removed },
      });
    }
  });

  it('record that a page was opened, and nothing of our own checks', () => {
    const [pages, checks] = config.apps.http.servers.eph.routes;
    expect(pages).toMatchObject({
      match: [{ header: { 'Sec-Fetch-Mode': ['navigate'] } }, { header: { Accept: ['text/html*'] } }],
      handle: [{ handler: 'map', destinations: ['{http.auth.user.id}'], defaults: ['navigation'] }],
    });
    expect(checks).toMatchObject({
      match: [{ header: { 'User-Agent': ['eph-health-check'] } }],
      handle: [{ handler: 'vars', skip_log: true, log_skip: true }],
    });
  });
});

describe('last use', () => {
  const entry = (ts: number, more: { status?: number; duration?: number; user_id?: string } = {}) =>
    // As Caddy 2.6 and 2.11 write it with our configuration.
    `${JSON.stringify({ level: 'info', ts, logger: 'http.log.access.eph', msg: 'handled request', user_id: '', duration: 0, size: 4, status: 200, ...more })}\n`;
  const navigation = { user_id: 'navigation' };

  it('is the end of the last request', () => {
    const seen = readAccessLog(nothingSeen, `${entry(100)}{"cut`);
    expect(lastUse(seen, 0, 900_000)).toBe(100_000);
  });

  it('goes on while a page is open, for 12 hours after it was navigated to', () => {
    const seen = readAccessLog(nothingSeen, entry(100, navigation));
    expect(lastUse(seen, 1, 100_000 + OPEN_TAB_MS - 1)).toBe(100_000 + OPEN_TAB_MS - 1);
    expect(lastUse(seen, 1, 100_000 + OPEN_TAB_MS)).toBe(100_000);
    expect(lastUse(seen, 0, 200_000)).toBe(100_000);
  });

  it('does not count a WebSocket of a forgotten tab when it closes days later', () => {
    const days = 3 * 86_400;
    const seen = readAccessLog(
      nothingSeen,
      entry(100, navigation) + entry(100 + days, { status: 101, duration: days }),
    );
    expect(lastUse(seen, 0, (200 + days) * 1000)).toBe(100_000 + OPEN_TAB_MS);
  });
});

describe('the log', () => {
  it('removes secrets by value, also inside JSON, and keeps the end', () => {
    const lines: string[] = [];
    const log = createLog(
      (line) => lines.push(line),
      () => 0,
    );
    log.hide(['pass"word', 'short']);
    log.begin('delivery-1');
    log.line('uses pass"word and short');
    log.event('x', { value: 'pass"word' });
    expect(lines.join('\n')).not.toContain('word');
    expect(log.tail().text).toBe('uses *** and short\n');
    for (let i = 0; i < 3_000; i++) log.line(`${i} ${'x'.repeat(100)}`);
    expect(log.tail().text.length).toBeLessThanOrEqual(128 * 1024);
    expect(log.tail().text).toContain('2999 ');
  });

  it('removes a secret however it is encoded, and wherever it stands in the text', () => {
    const log = createLog(
      () => undefined,
      () => 0,
    );
    const secret = 'p@ss wörd/?+"8';
    log.hide([secret]);
    const forms = [
      ...['', 'a', 'ab', 'abc'].flatMap((before) =>
        ['', 'z', 'zz', 'zzz'].flatMap((after) => {
          const bytes = Buffer.from(before + secret + after);
          return [bytes.toString('base64'), bytes.toString('base64url')];
        }),
      ),
      encodeURIComponent(secret),
      encodeURIComponent(secret).toLowerCase(),
      `${new URLSearchParams({ token: secret })}`,
      JSON.stringify({ secret }),
    ];
    for (const form of forms) expect(log.redact(`x ${form} y`), form).toContain('***');
    expect(log.redact('an ordinary line, cGFzc3dvcmQ=')).toBe('an ordinary line, cGFzc3dvcmQ=');
  });

  it('removes a secret before the line is cut', () => {
    const log = createLog(
      () => undefined,
      () => 0,
    );
    log.hide(['hunter2-of-production']);
    log.line(`${'x'.repeat(1_990)}hunter2-of-production`);
    expect(log.tail().text).not.toContain('hunter2');
  });

  it('names the secrets that are too short to be removed', () => {
    expect(tooShort({ PIN: '1234', KEY: 'hunter2', NONE: '' })).toEqual(['PIN']);
  });

  it('removes each line of a secret with several lines, and the longer of two with the same beginning', () => {
    const log = createLog(
      () => undefined,
      () => 0,
    );
    log.hide([
      'hunter2',
      '-----BEGIN KEY-----\nMIIEvQIBADANBg\n-----END KEY-----\n',
      'hunter2-of-production',
    ]);
    log.line('read MIIEvQIBADANBg, then hunter2-of-production');
    expect(log.tail().text).toBe('read ***, then ***\n');
  });
});
