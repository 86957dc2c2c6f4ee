import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { type CloudflareMachine, createCloudflare } from '../../../local/cloudflare/cloudflare.ts';
import { CloudflareError } from '../../../local/cloudflare/cloudflare-error.ts';
import { ingressProblem, matchIngress } from '../../../local/cloudflare/ingress.ts';
import type { TunnelToken } from '../../../local/cloudflare/tunnels.ts';

let now: number;
let cf: CloudflareMachine;

beforeEach(() => {
  now = Date.UTC(2026, 0, 1);
  cf = createCloudflare({ zone: 'eph.localhost', now: () => now, newId: randomUUID }).machine;
});

function codeOf(call: () => unknown): number {
  try {
    call();
  } catch (error) {
    if (error instanceof CloudflareError) return error.code;
    throw error;
  }
  throw new Error('the call was not refused');
}

describe('a tunnel', () => {
  const connector = { clientId: randomUUID() };
  const tokenOf = (id: string): TunnelToken =>
    JSON.parse(Buffer.from(cf.tunnelToken(id), 'base64').toString());

  it('is inactive, degraded, then healthy, and is down when its connector has left', () => {
    const { id } = cf.createTunnel({ name: 'a' });
    const states = [cf.getTunnel(id).status];
    const connections = [1, 2, 3, 4].map(() => {
      const connection = cf.registerConnection(tokenOf(id), connector);
      states.push(cf.getTunnel(id).status);
      return connection.id;
    });
    for (const connection of connections) cf.unregisterConnection(id, connection);
    states.push(cf.getTunnel(id).status);
    expect(states).toEqual(['inactive', 'degraded', 'degraded', 'degraded', 'healthy', 'down']);
  });

  it('is deleted with its connections when the deletion cascades', () => {
    const { id } = cf.createTunnel({ name: 'a' });
    cf.registerConnection(tokenOf(id), connector);
    expect(codeOf(() => cf.deleteTunnel(id))).toBe(1022);
    cf.deleteTunnel(id, { cascade: true });
    expect(cf.liveConnections(id)).toEqual([]);
    expect(codeOf(() => cf.deleteTunnel(id))).toBe(1003);
  });

  it('accepts only a secret of 32 bytes in base64, and no UUID as a name', () => {
    const { id } = cf.createTunnel({ name: 'a' });
    expect(codeOf(() => cf.editTunnel(id, { tunnel_secret: 'c2hvcnQ=' }))).toBe(1018);
    expect(codeOf(() => cf.createTunnel({ name: randomUUID() }))).toBe(1018);
  });

  it('sends its connectors each new configuration and each disconnection', () => {
    const events: string[] = [];
    cf.onTunnelEvent((event) => events.push(event.kind));
    const { id } = cf.createTunnel({ name: 'a' });
    cf.registerConnection(tokenOf(id), connector);
    cf.putConfiguration(id, { config: { ingress: [{ service: 'http_status:200' }] } });
    cf.deleteConnections(id, randomUUID());
    cf.deleteConnections(id, connector.clientId);
    expect(events).toEqual(['configuration', 'disconnect']);
  });
});

describe('ingress rules', () => {
  it.each([
    ['a catch-all that is not last', [{ service: 'hello_world' }, { service: 'http_status:404' }]],
    ['a status that is none', [{ service: 'http_status:1000' }]],
    ['no catch-all at the end', [{ hostname: 'a.example.com', service: 'http://localhost' }]],
    [
      'a wildcard inside a hostname',
      [{ hostname: 'a.*.com', service: 'http://localhost' }, { service: 'hello_world' }],
    ],
    [
      'a port in a hostname',
      [{ hostname: 'a.com:80', service: 'http://localhost' }, { service: 'hello_world' }],
    ],
    ['a path in the service', [{ service: 'http://localhost:8080/app' }]],
    ['a service without a scheme', [{ service: 'localhost:8080' }]],
    [
      'a path that is no regular expression',
      [{ path: '(', service: 'hello_world' }, { service: 'hello_world' }],
    ],
  ])('are refused for %s', (_, rules) => {
    expect(ingressProblem(rules)).toMatch(/^Rule #1: /);
  });

  it('match in order; a suffix wildcard is accepted and matches nothing', () => {
    const rules = [
      { hostname: '*-pr.example.com', service: 'http://never' },
      { hostname: '*.example.com', path: '/api', service: 'http://api' },
      { hostname: 'x-pr.example.com', service: 'http://exact' },
      { service: 'http_status:404' },
    ];
    expect(ingressProblem(rules)).toBeUndefined();
    const service = (host: string, path: string) => matchIngress(rules, host, path)?.service;
    expect(service('x-pr.example.com', '/')).toBe('http://exact');
    expect(service('x-pr.example.com:8080', '/deep/api/1')).toBe('http://api');
    expect(service('example.com', '/api')).toBe('http_status:404');
  });
});

describe('DNS', () => {
  const cname = (name: string) => ({ type: 'CNAME', name, content: 'x.cfargotunnel.com', proxied: true });

  it('treats a name outside the zone as relative to it', () => {
    expect(cf.createRecord(cname('shop')).name).toBe('shop.eph.localhost');
    expect(cf.createRecord(cname('a.example.com')).name).toBe('a.example.com.eph.localhost');
  });

  it('refuses comments that are too long or have line breaks, tags, and the 201st record', () => {
    expect(codeOf(() => cf.createRecord({ ...cname('a'), comment: 'x'.repeat(101) }))).toBe(1004);
    expect(codeOf(() => cf.createRecord({ ...cname('a'), comment: 'a\nb' }))).toBe(1004);
    expect(codeOf(() => cf.createRecord({ ...cname('a'), tags: ['a:b'] }))).toBe(9300);
    for (let i = 0; i < 200; i++) cf.createRecord(cname(`n${i}`));
    expect(codeOf(() => cf.createRecord(cname('one-more')))).toBe(81045);
  });

  it('finds by filters, and refuses an unknown filter', () => {
    for (const [name, comment] of [
      ['a', 'eph:1'],
      ['b', 'eph:2'],
      ['c', ''],
    ] as const) {
      cf.createRecord({ ...cname(name), comment });
    }
    const names = (query: Record<string, string>) =>
      cf.listRecords(query).items.map((record) => record.name[0]);
    expect(names({ 'comment.startswith': 'EPH:' })).toEqual(['a', 'b']);
    expect(names({ 'name.exact': 'A.eph.localhost', 'comment.startswith': 'eph:1' })).toEqual(['a']);
    expect(names({ 'name.exact': 'a.eph.localhost', 'comment.startswith': 'eph:2' })).toEqual([]);
    expect(names({ type: 'TXT' })).toEqual([]);
    expect(codeOf(() => names({ 'content.exact': 'x' }))).toBe(1004);
  });

  it('resolves a wildcard only where no record has the name itself', () => {
    cf.createRecord(cname('*'));
    cf.createRecord({ type: 'TXT', name: 'mail', content: 'v=spf1' });
    expect(cf.resolve('any.eph.localhost')?.name).toBe('*.eph.localhost');
    expect(cf.resolve('mail.eph.localhost')).toBeUndefined();
    expect(cf.resolve('a.b.eph.localhost')).toBeUndefined();
  });
});

describe('Worker routes', () => {
  it('prefer the more specific pattern, whichever was made first', () => {
    cf.uploadScript('eph');
    cf.createRoute({ pattern: 'shop-pr.eph.localhost/*' });
    cf.createRoute({ pattern: '*-pr.eph.localhost/*', script: 'eph' });
    expect(cf.matchRoute('shop-pr.eph.localhost/a?b')?.script).toBeUndefined();
    expect(cf.matchRoute('other-pr.eph.localhost/')?.script).toBe('eph');
    expect(cf.matchRoute('www.eph.localhost/')).toBeUndefined();
  });

  it('refuse other zones and wildcards in the middle', () => {
    for (const pattern of ['example.com/*', 'a*b.eph.localhost/*', 'a.eph.localhost/*/b']) {
      expect(codeOf(() => cf.createRoute({ pattern }))).toBe(10022);
    }
  });
});

describe('Access applications', () => {
  const policy = (name: string) =>
    cf.createPolicy({ name, decision: 'allow', include: [{ everyone: {} }] }).id;
  const app = (domain: string, more: object = {}) =>
    cf.createApplication({ type: 'self_hosted', name: domain, domain, policies: [policy(domain)], ...more });

  it('protect by the most specific domain; a wildcard matches part of one label', () => {
    app('*-pr.eph.localhost');
    app('shop-pr.eph.localhost');
    app('*-pr.eph.localhost/admin');
    const domain = (host: string, path = '/') => cf.protectionOf(host, path)?.application.domain;
    expect(domain('any-pr.eph.localhost')).toBe('*-pr.eph.localhost');
    expect(domain('any-pr.eph.localhost', '/admin/users')).toBe('*-pr.eph.localhost/admin');
    expect(domain('shop-pr.eph.localhost', '/admin')).toBe('shop-pr.eph.localhost');
    expect(domain('a.b-pr.eph.localhost')).toBeUndefined();
    expect(domain('pr.eph.localhost')).toBeUndefined();
  });

  it('leave a path open to everybody if a destination says so', () => {
    const overrides = [{ path_pattern: '/.well-known/*', behavior: 'public' }];
    app('*-pr.eph.localhost', { destinations: [{ type: 'public', uri: '*-pr.eph.localhost', overrides }] });
    expect(cf.protectionOf('a-pr.eph.localhost', '/.well-known/x')?.open).toBe(true);
    expect(cf.protectionOf('a-pr.eph.localhost', '/')?.open).toBe(false);
  });

  it('refuse foreign domains, unknown policies and a redirect to no single provider', () => {
    expect(codeOf(() => app('*.example.com'))).toBe(12130);
    expect(codeOf(() => app('a.eph.localhost', { policies: [randomUUID()] }))).toBe(12130);
    expect(codeOf(() => app('a.eph.localhost', { auto_redirect_to_identity: true }))).toBe(12130);
    app('b.eph.localhost');
    expect(codeOf(() => app('b.eph.localhost'))).toBe(11010);
  });

  it('keep their audience when they are replaced, and keep the policies that they use from deletion', () => {
    const first = app('a.eph.localhost');
    const used = first.policies[0]?.id ?? '';
    const body = { type: 'self_hosted', domain: 'a.eph.localhost', name: 'new', policies: [used] };
    expect(cf.updateApplication(first.id, body)).toMatchObject({ aud: first.aud, name: 'new' });
    expect(codeOf(() => cf.deletePolicy(used))).toBe(12130);
  });

  it('refuse an unknown rule, rather than ignore it', () => {
    const include = [{ device_posture: { integration_uid: 'x' } }];
    expect(codeOf(() => cf.createPolicy({ name: 'x', decision: 'allow', include }))).toBe(12130);
  });
});

describe('service tokens', () => {
  it('end when they expire or are rotated', () => {
    const token = cf.createServiceToken({ name: 'ci', duration: '24h' });
    const works = (secret = token.client_secret) =>
      cf.verifyServiceToken(token.client_id, secret) !== undefined;
    expect(works()).toBe(true);
    const rotated = cf.rotateServiceToken(token.id);
    expect([works(), works(rotated.client_secret)]).toEqual([false, true]);
    now += 25 * 3_600_000;
    expect(works(rotated.client_secret)).toBe(false);
  });
});

describe('Zero Trust', () => {
  it('has to be switched on by hand before Access can be set up', () => {
    const fresh = createCloudflare({
      zone: 'eph.localhost',
      now: () => now,
      newId: randomUUID,
      zeroTrust: false,
    }).machine;
    expect(codeOf(() => fresh.getOrganization())).toBe(9999);
    expect(codeOf(() => fresh.createServiceToken({ name: 'ci' }))).toBe(9999);
  });
});

describe('API tokens', () => {
  it('may read if they may write, not the other way round, and nothing after they have expired', () => {
    const reader = cf.issueToken('reader', ['DNS Read']);
    expect(() => cf.authorize(reader, ['DNS Read'])).not.toThrow();
    expect(codeOf(() => cf.authorize(reader, ['DNS Write']))).toBe(10000);
    const groups = cf.listPermissionGroups('account', { name: 'DNS Write' });
    const resources = { [`com.cloudflare.api.account.zone.${cf.zoneId}`]: '*' };
    const policies = [{ effect: 'allow' as const, permission_groups: groups, resources }];
    const expires_on = new Date(now + 60_000).toISOString();
    const writer = cf.issueToken('writer', ['DNS Write']);
    const { value } = cf.createToken('account', { name: 'short', policies, expires_on }, writer);
    expect(() => cf.authorize(cf.authenticate(`Bearer ${value}`, false), ['DNS Read'])).not.toThrow();
    now += 60_000;
    expect(codeOf(() => cf.authenticate(`Bearer ${value}`, false))).toBe(9109);
  });
});
